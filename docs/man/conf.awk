# tsuga.conf(5) from docs/configuration.md: headings, paragraphs, one numbered list, examples, and
# the table of keys.
#
#     awk -v date=DATE -v version=VERSION -f mdoc.awk -f conf.awk configuration.md

BEGIN { has_page["tsuga_start"]; has_page["tsuga_config"]; has_page["tsuga_blocking"] }

FNR == 1 {
    printf "%s", head("tsuga.conf", 5, "configuration of programs that use Tsuga")
    print ".Sh DESCRIPTION"
    follows_head = 1
    next
}
/^```/ {
    end_text()
    is_code = !is_code
    print is_code ? ".Bd -literal -offset indent" : ".Ed"
    next
}
is_code { print; next }
/^## / {
    end_text()
    end_list()
    print ".Sh " toupper(substr($0, 4))
    follows_head = 1
    next
}
/^[0-9]+\. / {
    end_text()
    begin_list("-enum")
    printf ".It\n%s", flow(substr($0, index($0, " ") + 1))
    next
}
/^\| (section|---)/ { next }
/^\|/ { end_text(); row(); next }
/^$/ { end_text(); next }
{ text = text $0 "\n" }
END {
    end_text()
    print ".Sh SEE ALSO\n.Xr tsuga_config 3 ,\n.Xr tsuga_start 3 ,\n.Xr tsuga 7"
}

function end_text() {
    if (text != "") {
        end_list()
        printf "%s%s", follows_head ? "" : ".Pp\n", flow(text)
        follows_head = 0
    }
    text = ""
}

function begin_list(kind) {
    if (!in_list)
        print ".Bl " kind
    in_list = 1
}

function end_list() {
    if (in_list)
        print ".El"
    in_list = 0
}

# | section | key | allowed | default | meaning |, where an empty section is the one above.
function row(cells) {
    split($0, cells, / *\| */)
    if (cells[2] != "") {
        end_list()
        print ".Ss [" cells[2] "]"
    }
    begin_list("-tag -width Ds")
    printf ".It Cm %s\n%s.Pp\n%s", cells[3], flow(cells[6]), \
        flow("Allowed: " cells[4] "; default: " cells[5])
}
