#!/bin/sh
# Tells which requirements of docs/requirements.md the tests of a result file proved. A test names
# its requirements by the parts of its name: ioheap/h05_a08_places_frontmost_first.
#
#     requirements.sh [--need "H01-H41 A04 …"] [--strict yes|no] RESULTS
#
# With --need, exits 1 when one of them is missing (--strict no: only says so).
set -eu
need=
strict=yes
while [ $# -gt 1 ]; do
    case $1 in
        --need) need=$2 ;;
        --strict) strict=$2 ;;
        *) echo "usage: requirements.sh [--need IDS] [--strict yes|no] RESULTS" >&2; exit 2 ;;
    esac
    shift 2
done
[ -e "$1" ] || { echo "$1: run \`make test\` first" >&2; exit 2; }

exec awk -v need="$need" -v strict="$strict" '
function print_ids(title, want,    i, line, count) {
    for (i = 1; i <= known_count; i++) {
        if ((known[i] in covered) == want) {
            line = line " " known[i]
            count++
        }
    }
    printf "%s (%d):%s\n", title, count, line
}

function require(id) {
    if (!(id in covered))
        missing = missing " " id
}

function require_all(    words, count, i, k, ends, first) {
    count = split(need, words, " ")
    for (i = 1; i <= count; i++) {
        if (split(words[i], ends, "-") == 1)
            ends[2] = ends[1]
        first = substr(ends[1], 1, 1)
        for (k = substr(ends[1], 2) + 0; k <= substr(ends[2], 2) + 0; k++)
            require(sprintf("%s%02d", first, k))
    }
}

FILENAME ~ /requirements\.md$/ && match($0, /^\| [A-Z][0-9][0-9] \|/) {
    known[++known_count] = substr($0, 3, 3)
}

$1 == "passed" {
    count = split(toupper($2), parts, /[_\/]/)
    for (i = 1; i <= count; i++)
        if (parts[i] ~ /^[HANZ][0-9][0-9]$/)
            covered[parts[i]] = 1
}

# A failed test proves nothing, even if another one names the same requirement.
$1 == "failed" {
    count = split(toupper($2), parts, /[_\/]/)
    for (i = 1; i <= count; i++)
        failed[parts[i]] = 1
}

END {
    for (id in failed)
        delete covered[id]
    print_ids("Covered", 1)
    print_ids("Uncovered", 0)
    require_all()
    if (missing != "")
        print "Required and uncovered:" missing
    exit missing != "" && strict == "yes"
}
' docs/requirements.md "$1"
