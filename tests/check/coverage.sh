#!/bin/sh
# Prints how much of each file and folder a coverage build has run: lines, and branches taken. Then
# the lines that were not run. These, and the branches that were not taken, are also in
# BUILD/uncovered.
#
#     coverage.sh BUILD SOURCE…
#
# Headers count once, whoever includes them. The branches of an assertion do not count: nobody can
# make it fail.
set -eu
build=$1
shift
: >"$build/uncovered"
for source; do
    gcov --stdout --branch-probabilities --branch-counts \
        --object-file "$build/obj/${source%.c}.o" "$source" 2>/dev/null
done | awk -v uncovered="$build/uncovered" '
# A percentage of nothing is all of it.
function row(lines, lines_hit, branches, branches_hit, name) {
    return sprintf("%6.1f %% of %5d lines  %6.1f %% of %5d branches  %s",
        lines ? 100 * lines_hit / lines : 100, lines,
        branches ? 100 * branches_hit / branches : 100, branches, name)
}

function folder_of(file) {
    sub("/[^/]*$", "", file)
    return file
}

# Assertions may go over several lines; an expression ends with the line that ends in a semicolon.
function note_assertion(text) {
    is_assertion = is_assertion || text ~ /TSUGA_(VERIFY|ASSERT|DEEP)\(/
    is_last = text ~ /;/
}

/^ *-: *0:Source:/ {
    file = $0
    sub(/.*:Source:/, "", file)
    is_ours = file ~ /^[a-z]/
    is_assertion = 0
    next
}
!is_ours { next }

/^ *([0-9]+\*?|#####|-|=====): *[0-9]+:/ {
    split($0, part, ":")
    count = part[1] + 0
    line = part[2] + 0
    text = substr($0, length(part[1]) + length(part[2]) + 3)
    if (is_last)
        is_assertion = 0
    note_assertion(text)
    if (line == 0 || part[1] ~ /-/)
        next
    key = file ":" line
    if (!(key in hit)) {
        files[key] = file
        texts[key] = text
    }
    hit[key] += count
    next
}

/^branch / && !is_assertion {
    branch = key " " $2
    taken[branch] += $4 == "executed" ? 0 : $4
    owner[branch] = key
}

END {
    by_name = "sort -k 11"
    list = "sort -t : -k 1,1 -k 2,2n >" uncovered
    for (key in hit) {
        lines[files[key]]++
        lines_hit[files[key]] += hit[key] > 0
    }
    for (branch in taken) {
        file = files[owner[branch]]
        branches[file]++
        branches_hit[file] += taken[branch] > 0
        missed[owner[branch]] += taken[branch] == 0
        all[owner[branch]]++
    }
    for (file in lines) {
        folder = folder_of(file)
        folder_lines[folder] += lines[file]
        folder_lines_hit[folder] += lines_hit[file]
        folder_branches[folder] += branches[file]
        folder_branches_hit[folder] += branches_hit[file]
        print row(lines[file], lines_hit[file], branches[file], branches_hit[file], file) | by_name
    }
    close(by_name)
    for (folder in folder_lines)
        print row(folder_lines[folder], folder_lines_hit[folder], folder_branches[folder],
            folder_branches_hit[folder], folder "/") | by_name
    close(by_name)
    for (key in hit) {
        if (hit[key] == 0)
            what = "never"
        else if (missed[key] > 0)
            what = sprintf("%d of %d branches not taken", missed[key], all[key])
        else
            continue
        printf "%s: %s: %s\n", key, what, texts[key] | list
    }
}'
grep ': never: ' "$build/uncovered" || true
