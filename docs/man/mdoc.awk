# Running text as mdoc(7), for pages.awk and conf.awk. What the comments of the headers and the
# Markdown of the guide mark up by custom becomes a macro: tsuga_read(), read(2), -EINVAL,
# TSUGA_NORMAL, `name`.

# One paragraph. A sentence ends its line, as mdoc wants it. Every page of ours that is referred to
# is remembered in references[].
function flow(text, words, count, i, line, out, macro) {
    count = split(text, words, /[ \n]+/)
    for (i = 1; i <= count; i++) {
        if (words[i] == "")
            continue
        macro = marked(words[i])
        if (macro == "")
            line = line (line == "" ? "" : " ") words[i]
        if (macro != "" || words[i] ~ /[.!?:]$/ || i == count) {
            out = out text_line(line)
            line = ""
        }
        if (macro != "")
            out = out "." macro "\n"
    }
    return out text_line(line)
}

function text_line(line) {
    gsub(/\\/, "\\e", line)
    gsub(/`|\*\*/, "", line)
    if (line ~ /^[.']/)
        line = "\\&" line
    return line == "" ? "" : line "\n"
}

# The macro for a word that has one, with the punctuation around it; "" for any other word.
function marked(word, core, before, after, macro) {
    if (word ~ /`?(tsuga_|TSUGA_|-E)[A-Za-z0-9_()]*`/)
        gsub(/`/, "", word)
    if (match(word, /[A-Za-z0-9_.]+\([1-8]\)/))
        macro = manual(substr(word, RSTART, RLENGTH))
    else if (match(word, /tsuga_[a-z0-9_]+(\(\))?/))
        macro = own(substr(word, RSTART, RLENGTH))
    else if (match(word, /`[^`]+`/))
        macro = "Fa \\&" substr(word, RSTART + 1, RLENGTH - 2)
    else if (match(word, /-E[A-Z0-9]+/))
        macro = "Er " substr(word, RSTART, RLENGTH)
    else if (match(word, /TSUGA_[A-Z0-9_]+/))
        macro = "Dv " substr(word, RSTART, RLENGTH)
    if (macro == "")
        return ""

    # match() in the helpers would have overwritten these.
    core = substr(word, RSTART, RLENGTH)
    before = substr(word, 1, index(word, core) - 1)
    after = substr(word, length(before) + length(core) + 1)
    if (before !~ /^\(?$/ || after !~ /^[.,:;)?!]*$/)
        return ""
    gsub(/./, " &", after)
    return (before == "" ? "" : "Pf ( ") macro after
}

function manual(word, at) {
    at = index(word, "(")
    return "Xr " substr(word, 1, at - 1) " " substr(word, at + 1, 1)
}

# A name of ours; only what has a page is referred to, and no page refers to itself.
function own(word) {
    sub(/\(\)$/, "", word)
    if (word == page_name)
        return "Nm " word
    if (!(word in has_page))
        return ""
    references[word]
    return "Xr " word " 3"
}

# Paragraphs, an empty line between them. What is indented by four blanks or more is an example.
function paragraphs(text, parts, count, i, out) {
    count = split(text, parts, /\n\n+/)
    for (i = 1; i <= count; i++) {
        if (parts[i] ~ /^\n*    /)
            out = out literal(parts[i])
        else
            out = out (out == "" ? "" : ".Pp\n") flow(parts[i])
    }
    return out
}

function literal(text) {
    gsub(/\\/, "\\e", text)
    gsub(/\n[.]/, "\n\\\\\\&.", text)
    gsub(/\n    /, "\n", text)
    gsub(/^\n? *|\n$/, "", text)
    return ".Bd -literal -offset indent\n" text "\n.Ed\n"
}

function head(name, section, summary) {
    return ".\\\" Made by `make man`; do not edit.\n.Dd " date "\n.Dt " toupper(name) " " section \
        "\n.Os Tsuga " version "\n.Sh NAME\n.Nm " name "\n.Nd " summary "\n"
}
