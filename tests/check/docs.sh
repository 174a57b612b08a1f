#!/bin/sh
# Checks that every function of the public headers is preceded by its own comment with the lines
# Owner, Errors, Thread and Blocks, and every struct and enum by one that says what it is.
#
#     docs.sh HEADER…
exec awk '
function check_declaration(name, i) {
    functions++
    for (i = 1; i <= 4; i++) {
        if (comment !~ ("[*] " mandatory[i] ":")) {
            printf "%s:%d: %s: no %s: line in its comment\n", FILENAME, FNR, name, mandatory[i]
            bad = 1
        }
    }
}

BEGIN { split("Owner Errors Thread Blocks", mandatory, " ") }

/^\/\*/ { comment = ""; in_comment = 1 }
in_comment { comment = comment "\n" $0 }
in_comment && /\*\// { in_comment = 0; next }
in_comment { next }

# A comment belongs to what follows it directly.
/^$/ { comment = "" }
/^(struct|enum) tsuga_[a-z_]+ \{/ && comment == "" {
    printf "%s:%d: %s: no comment\n", FILENAME, FNR, $2
    bad = 1
}
/^TSUGA_API / { is_open = 1 }
is_open && match($0, /tsuga_[a-z0-9_]+\(/) {
    check_declaration(substr($0, RSTART, RLENGTH - 1))
    is_open = 0
}

END {
    if (functions == 0) {
        print FILENAME ": no function found"
        bad = 1
    }
    exit bad
}
' "$@"
