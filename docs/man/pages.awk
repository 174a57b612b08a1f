# Man pages from the public headers: one for each name, which says what the header says of the
# function and of the type of that name. The topics of the overview go to standard output.
#
#     awk -v date=DATE -v version=VERSION -v out=DIRECTORY -f mdoc.awk -f pages.awk HEADER…

BEGIN {
    split("Owner Shape Thread Blocks Cost", labels, " ")
    split("OWNERSHIP SHAPE THREADS BLOCKING COST", headings, " ")
}

FNR == 1 { header = FILENAME; sub(/.*\//, "", header) }

# Comments at the left edge belong to what follows; one that an empty line follows is a topic.
/^\/\*/ { comment = ""; in_comment = 1 }
in_comment {
    line = $0
    sub(/^\/\*\*? ?/, "", line)
    in_comment = !sub(/ ?\*\/$/, "", line)
    sub(/^ \* ?/, "", line)
    comment = comment line "\n"
    next
}
# So does what is said of a whole header.
(/^$/ || /^#ifndef/) && kind == "" {
    if (comment != "")
        add_topic(trim(comment))
}

# A declaration ends with its semicolon, that of a struct or an enum with a brace at the left edge
# or on its only line; what is inline has a body.
/^(TSUGA_API|static inline) / { kind = "function"; declaration = "" }
/^typedef / { kind = "typedef"; declaration = "" }
/^(struct|enum) tsuga_[a-z_]+ \{/ { kind = "struct"; declaration = "" }
kind == "function" && /^\{/ { add_function(declaration); kind = "" }
kind != "" { declaration = declaration $0 "\n" }
kind == "function" && /;$/ { add_function(declaration); kind = "" }
kind == "typedef" && /;$/ || kind == "struct" && /^(enum .*)?\};$/ {
    add_type(declaration)
    kind = ""
}
kind == "" { comment = "" }

END {
    for (i = 1; i <= name_count; i++)
        write_page(names[i])
    write_topics()
}

# Reading.

# "Timers: messages that are sent later." is the topic Timers, and what is said of it.
function add_topic(text) {
    match(text, /[.:]/)
    topic_title[++topic_count] = substr(text, 1, RSTART - 1)
    topic_text[topic_count] = sentence(substr(text, RSTART + 1))
}

function add_name(name) {
    if (name in has_page)
        return
    has_page[name]
    names[++name_count] = name
    header_of[name] = header
}

function add_function(text, name) {
    gsub(/TSUGA_(API|NODISCARD|NORETURN)[ \n]*|static inline /, "", text)
    gsub(/[ \n]+/, " ", text)
    sub(/;? $/, "", text)
    match(text, /tsuga_[a-z0-9_]+\(/)
    name = substr(text, RSTART, RLENGTH - 1)
    add_name(name)
    function_topic[name] = topic_count
    result[name] = trim(substr(text, 1, RSTART - 1))
    arguments[name] = substr(text, RSTART + RLENGTH, length(text) - RSTART - RLENGTH)
    function_comment[name] = comment
    add_user(name, text)
    comment = ""
}

# A type's page refers to the functions that take or return it, unless they are many.
function add_user(name, text, type) {
    while (match(text, /(struct|enum) tsuga_[a-z_]+|tsuga_[a-z_]+_fn/)) {
        type = substr(text, RSTART, RLENGTH)
        text = substr(text, RSTART + RLENGTH)
        sub(/^[a-z]+ /, "", type)
        users[type] = users[type] " " name
        user_count[type]++
    }
}

function add_type(text, name) {
    match(text, text ~ /^typedef/ ? "tsuga_[a-z0-9_]+[(]" : "tsuga_[a-z0-9_]+ ")
    name = substr(text, RSTART, RLENGTH - 1)
    add_name(name)
    if (text ~ /^enum .*\};\n/) {
        sub(/\{ /, "{\n    ", text)
        gsub(/, /, ",\n    ", text)
        sub(/ \};/, "\n};", text)
    }
    type_topic[name] = topic_count
    type_text[name] = text
    type_comment[name] = comment
    comment = ""
}

# Writing.

function write_page(name, page, path, body, summary, has_both) {
    split("", references)
    page_name = name
    has_both = name in type_text && name in result
    body = synopsis(name) ".Sh DESCRIPTION\n" (has_both ? ".Ss The type\n" : "")
    if (name in type_text)
        body = body paragraphs(trim(type_comment[name])) member_list(type_text[name])
    if (name in result)
        body = body (has_both ? ".Ss The function\n" : "") function_text(name)
    summary = name in result ? function_comment[name] : type_comment[name]
    page = head(name, 3, first_sentence(summary)) body see_also(name)
    path = out "/" name ".3"
    printf "%s", page > path
    close(path)
}

function synopsis(name, text) {
    text = ".Sh LIBRARY\nTsuga (libtsuga, -ltsuga)\n.Sh SYNOPSIS\n.In " header_of[name] "\n"
    if (name in type_text && type_text[name] ~ /^typedef/)
        text = text type_prototype(name)
    else if (name in type_text)
        text = text ".Bd -literal\n" without_comments(type_text[name]) ".Ed\n"
    if (name in result)
        text = text prototype(result[name], name, arguments[name])
    return text
}

function type_prototype(name, text) {
    text = type_text[name]
    gsub(/[ \n]+/, " ", text)
    match(text, name)
    return prototype(substr(text, 1, RSTART - 1), name, \
        substr(text, RSTART + RLENGTH + 1, length(text) - RSTART - RLENGTH - 3))
}

function prototype(type, name, list, text, parts, count, i) {
    text = ".Ft \"" trim(type) "\"\n.Fo " name "\n"
    count = split_arguments(list, parts)
    for (i = 1; i <= count; i++)
        text = text ".Fa \"" parts[i] "\"\n"
    note_types(type " " list)
    return text ".Fc\n"
}

# Commas inside a function pointer's parentheses do not separate arguments.
function split_arguments(text, parts, pieces, count, i, n, part) {
    count = split(text, pieces, /, */)
    for (i = 1; i <= count; i++) {
        part = part (part == "" ? "" : ", ") pieces[i]
        if (gsub(/\(/, "(", part) == gsub(/\)/, ")", part)) {
            parts[++n] = part
            part = ""
        }
    }
    return n
}

# The types that a declaration names are worth a look.
function note_types(text, type) {
    while (match(text, /tsuga_[a-z0-9_]+/)) {
        type = substr(text, RSTART, RLENGTH)
        if (type in type_text && type != page_name)
            references[type]
        text = substr(text, RSTART + RLENGTH)
    }
}

# Sets `prose`, `item_names`, `items` and `labelled` from a function's comment.
function take_apart(text, lines, count, i, label) {
    prose = label = ""
    item_count = 0
    split("", labelled)
    count = split(text, lines, "\n")
    for (i = 1; i <= count; i++) {
        if (lines[i] ~ /^(Owner|Shape|Errors|Thread|Blocks|Cost): /) {
            label = substr(lines[i], 1, index(lines[i], ":") - 1)
            sub(/^[A-Za-z]+: */, "", lines[i])
        } else if (label == "" && match(lines[i], /^[a-z_]+(, [a-z_]+)*  +/)) {
            item_names[++item_count] = substr(lines[i], 1, RLENGTH)
            items[item_count] = substr(lines[i], RLENGTH + 1)
            continue
        }
        if (label != "")
            labelled[label] = labelled[label] " " lines[i]
        else if (item_count > 0 && lines[i] != "")
            items[item_count] = items[item_count] " " lines[i]
        else
            prose = prose lines[i] "\n"
    }
}

function function_text(name, text, i) {
    take_apart(function_comment[name])
    text = paragraphs(trim(prose))
    if (item_count > 0) {
        text = text ".Bl -tag -width Ds\n"
        for (i = 1; i <= item_count; i++)
            text = text ".It Fa " spaced_commas(item_names[i]) "\n" flow(items[i])
        text = text ".El\n"
    }
    text = text return_values(result[name]) ".Sh ERRORS\n" flow(sentence(labelled["Errors"]))
    sub(/^ *turn/, "Inside a turn of the calling actor, on its executor", labelled["Thread"])
    for (i = 1; i in labels; i++)
        if (labels[i] in labelled)
            text = text ".Sh " headings[i] "\n" flow(sentence(labelled[labels[i]]))
    return text
}

function spaced_commas(text) {
    gsub(/,/, " ,", text)
    return trim(text)
}

function return_values(type) {
    if (type == "struct tsuga_token")
        return ".Sh RETURN VALUES\n" flow("The operation's token. One that could not be started " \
            "has a token that carries the error: see tsuga_op_error(). Everything else is the " \
            "result of its completion: see tsuga_completion. Errors that any token may carry " \
            "are in tsuga(7).")
    if (type == "int")
        return ".Sh RETURN VALUES\n" flow("0 or -errno, unless the text says otherwise.")
    return ""
}

# What a type's members, or an enumeration's values, say in their comments.
function member_list(text, lines, count, i, code, remark, at) {
    member_count = depth = in_remark = 0
    pending = partial = ""
    count = split(text, lines, "\n")
    for (i = 2; i <= count; i++) {
        at = in_remark ? 1 : index(lines[i], "/*")
        code = trim(at ? substr(lines[i], 1, at - 1) : lines[i])
        remark = at ? substr(lines[i], at) : ""
        if (code != "")
            take_code(code)
        if (remark != "")
            take_remark(remark, code == "")
    }
    return member_items(text ~ /^enum/ ? "Dv" : "Fa")
}

function take_code(code) {
    partial = partial (partial == "" ? "" : " ") code
    if (partial ~ /\{$/)
        starts[++depth] = member_count + 1
    else if (partial ~ /^\}/)
        close_struct(partial)
    else if (partial ~ /^[^(]*,$/ || partial ~ /;$/ || partial ~ /^TSUGA_[A-Z_]*COUNT$/)
        add_member(partial)
    else
        return
    partial = ""
}

function add_member(code) {
    sub(/[,;]$/, "", code)
    if (match(code, /\(\*[a-z_0-9]+/))
        code = substr(code, RSTART + 2, RLENGTH - 2)
    sub(/\[.*| =.*/, "", code)
    sub(/.*[ *]/, "", code)
    members[++member_count] = code
    remarks[member_count] = pending
    pending = ""
}

# The fields of a struct within a struct bear its name: executor.threads.
function close_struct(code, i) {
    if (depth > 0) {
        gsub(/[}; ]/, "", code)
        for (i = starts[depth]; i <= member_count; i++)
            members[i] = code "." members[i]
        depth--
    }
}

# A remark on lines of its own is of the member that follows, any other of the one before.
function take_remark(text, stands_alone) {
    if (!in_remark)
        is_ahead = stands_alone
    in_remark = !sub(/ *\*\/.*/, "", text)
    sub(/^ *(\/\*|\* ) */, "", text)
    if (is_ahead)
        pending = pending " " text
    else
        remarks[member_count] = remarks[member_count] " " text
}

function member_items(macro, text, i) {
    for (i = 1; i <= member_count; i++)
        if (remarks[i] != "")
            text = text ".It " macro " " members[i] "\n" flow(remarks[i])
    return text == "" ? "" : ".Bl -tag -width Ds\n" text ".El\n"
}

# Comments gone, and what clang-format has broken for their sake whole again.
function without_comments(text, lines, count, i, code) {
    gsub(/\/\*[^*]*\*+([^\/*][^*]*\*+)*\//, "", text)
    count = split(text, lines, "\n")
    for (i = 1; i <= count; i++) {
        sub(/ +$/, "", lines[i])
        if (lines[i] == "")
            continue
        if (code != "" && code !~ /[;,{}]\n$/ && lines[i] !~ /^ *\}/) {
            sub(/\n$/, " ", code)
            sub(/^ +/, "", lines[i])
        }
        code = code lines[i] "\n"
    }
    return code
}

function see_also(name, sorted, count, reference, i, text) {
    if (name in type_text) {
        note_types(type_text[name])
        if (user_count[name] <= 8)
            flow(users[name])
    }
    for (reference in references) {
        for (i = ++count; i > 1 && sorted[i - 1] > reference; i--)
            sorted[i] = sorted[i - 1]
        sorted[i] = reference
    }
    for (i = 1; i <= count; i++)
        text = text ".Xr " sorted[i] " 3 ,\n"
    if (name == "tsuga_config")
        text = text ".Xr tsuga.conf 5 ,\n"
    return ".Sh SEE ALSO\n" text ".Xr tsuga 7\n"
}

# What stands in tsuga(7): the text of each topic, and its pages.
function write_topics(i, t, text) {
    page_name = "tsuga"
    for (t = 1; t <= topic_count; t++) {
        text = ""
        for (i = 1; i <= name_count; i++)
            if (type_topic[names[i]] == t || function_topic[names[i]] == t)
                text = text (text == "" ? "" : " ,\n") ".Xr " names[i] " 3"
        if (text != "")
            printf ".Ss %s\n%s%s%s\n", topic_title[t], paragraphs(topic_text[t]), \
                (topic_text[t] == "" ? "" : ".Pp\n"), text
    }
}

function trim(text) {
    gsub(/^[ \n]+|[ \n]+$/, "", text)
    return text
}

# The first letter is a capital, unless it begins a name.
function sentence(text) {
    text = trim(text)
    return text ~ /^[a-z]+[ ,.;:]/ ? toupper(substr(text, 1, 1)) substr(text, 2) : text
}

# For NAME: without its end, and without capital unless it begins with a word in capitals.
function first_sentence(text) {
    gsub(/[ \n]+/, " ", text)
    text = trim(text)
    if (match(text, /[.:;] /))
        text = substr(text, 1, RSTART - 1)
    sub(/\.$/, "", text)
    gsub(/[`"]/, "", text)
    return text ~ /^[A-Z][a-z ]/ ? tolower(substr(text, 1, 1)) substr(text, 2) : text
}
