# Sorts the figures of the scaling benchmark into two files for each case, for gnuplot to read:
# CASE.data with COUNT NS NS_P10 NS_P90 FLOOR_NS a line, and CASE.words, which sets what is written
# beside the curves.
#
#     awk -v out=FOLDER -f curves.awk FIGURES

# The value of a key in the current line, without quotes; "" when there is none.
function field(key,    at) {
    if (!match($0, "\"" key "\": (\"[^\"]*\"|[0-9.e+-]+)"))
        return ""
    at = substr($0, RSTART + length(key) + 4, RLENGTH - length(key) - 4)
    gsub(/"/, "", at)
    return at
}

# 1000000 as 1,000,000.
function grouped(number,    text) {
    text = sprintf("%d", number)
    while (match(text, /^[0-9]+[0-9][0-9][0-9]/))
        text = substr(text, 1, RLENGTH - 3) "," substr(text, RLENGTH - 2)
    return text
}

function times(ratio) {
    return sprintf(ratio + 0 < 100 ? "%.1f ×" : "%.0f ×", ratio)
}

field("bench") != "scaling" { next }

{ name = out "/" field("case") }

field("count") != "" {
    print field("count"), field("ns"), field("ns_p10"), field("ns_p90"), field("floor_ns") \
        > (name ".data")
    if (seen[name]++)
        next
    printf "ours = \"Tsuga, median of %d rounds\"\n", field("pairs") > (name ".words")
    printf "floor = \"floor: %s\"\nrise = \"\"\n", field("floor") > (name ".words")
}

field("flatness") != "" {
    printf "rise = \"from %s to %s: %s as much; the floor %s\"\n", grouped(field("from")),
        grouped(field("to")), times(field("flatness")), times(field("floor_flatness")) \
        > (name ".words")
}
