#!/bin/sh
# Plants one fault after the other in a copy of the tree and says which check catches it. A fault
# that nothing catches is a missing test, and fails the run.
#
#     canary.sh SCRATCH [NAME…]      NAME of tests/canary/NAME.patch; default: each
#
# Above its first "---" a patch has three lines:
#
#     Fault:  what is wrong with it, for the reader
#     Config: debug, or asan or tsan where only that sees it
#     Tests:  patterns of the tests that shall catch it, likeliest first
#     Times:  how often each runs, when the fault shows by chance; may be missing
#
# or, for what only a simulated world finds, in place of the last one
#
#     Sim:    the arguments of the run that shall end with a violation
#
# A patch applies exactly, at any line, or the run fails before it begins: whoever changes the code
# that a patch is about plants the fault anew. The same tests and runs have passed without a fault.
set -uf # patterns of tests are for the tests to match

here=tests/canary
scratch=$1
shift
tree=$scratch/tree
output=$scratch/output
case ${CC:-gcc} in *clang*) kind=clang- ;; *) kind= ;; esac
[ $# -gt 0 ] || set -- $(ls $here | sed -n 's/\.patch$//p')

# header NAME KEY: what a patch says about itself.
header() { sed -n -e '/^---/q' -e "s/^$2: *//p" "$here/$1.patch"; }

die() { echo "canary: $*" >&2; exit 1; }

list_sources() { find . -path ./build -prune -o -path ./.git -prune -o -type f -print | sort; }

# Brings the copy up to date. Only what differs is written, so that little is compiled anew.
copy_sources() {
    list_sources >"$scratch/files"
    while read -r file; do
        cmp -s "$file" "$tree/$file" && continue
        mkdir -p "$tree/$(dirname "$file")"
        cp "$file" "$tree/$file"
    done <"$scratch/files"
    (cd "$tree" && list_sources) | comm -13 "$scratch/files" - |
        while read -r file; do rm -f "$tree/$file"; done
}

# edit NAME OPTION…: applies a patch to the copy.
edit() {
    name=$1
    shift
    patch --directory="$tree" -p1 --fuzz=0 --force --no-backup-if-mismatch --reject-file=- "$@" \
        <"$here/$name.patch" >"$output" 2>&1
}

# program CONFIG NAME: one as that configuration builds it, in the copy.
program() { echo "build/$kind$1/$2"; }

# build CONFIG NAME…: programs.
build() {
    config=$1
    shift
    make --no-print-directory -C "$tree" CC="${CC:-gcc}" CONFIG="$config" JEMALLOC=yes \
        $(for name; do program "$config" "$name"; done) >"$output" 2>&1
}

# checker NAME: the program that shall catch the fault.
checker() { [ -n "$(header "$1" Sim)" ] && echo sim || echo tests-fork; }

# run CONFIG TIMES PATTERN…: 0 when all these tests pass. Stops at the first one that does not; a
# test that hangs is over after twenty seconds.
run() {
    program=$(program "$1" tests-fork)
    times=$2
    shift 2
    for pattern; do
        (cd "$tree" && TSUGA_TEST_SECONDS=20 TSAN_OPTIONS=halt_on_error=1 \
            timeout 300 "$program" --fail-fast --repeat "$times" \
                --filter "$pattern") >"$output" 2>&1 || return 1
    done
}

# simulate CONFIG ARGUMENT…: 0 when nothing is violated in these worlds.
simulate() {
    program=$(program "$1" sim)
    shift
    (cd "$tree" && timeout 300 "$program" "$@") >"$output" 2>&1
}

# check NAME: 0 when what shall catch the fault finds nothing.
check() {
    config=$(header "$1" Config)
    if [ "$(checker "$1")" = sim ]; then
        simulate "$config" $(header "$1" Sim)
    else
        times=$(header "$1" Times)
        run "$config" "${times:-1}" $(header "$1" Tests)
    fi
}

# From the output of a run that failed: which run repeats it, and what was violated.
sim_catcher() {
    echo "$(sed -n 's/^replay: //p' "$output"):" \
        "$(grep -m 1 'assertion failed' "$output" || sed -n 's/^violated at //p' "$output")"
}

# From the output of a run that failed: which test, and the line that says why.
catcher() {
    test=$(sed -n 's/^\[ FAIL \] //p' "$output" | head -n 1)
    reason=$(grep -m 1 -E -e 'check failed|assertion failed|still running|SUMMARY: ' "$output" ||
        grep -m 1 -E 'ended by signal' "$output")
    echo "${test:-no test}: $(echo "$reason" | sed -e 's/^tsuga: //' -e 's/^SUMMARY: //' \
        -e "s|^$test: ||" -e 's|^\(tests/\)unit/|\1|')"
}

# plant NAME: one line of the table. 0 when the fault was caught.
plant() {
    config=$(header "$1" Config)
    start=$(date +%s)
    edit "$1" || die "$1 does not apply: $(cat "$output")"
    verdict="NOT CAUGHT: $(header "$1" Fault)"
    status=1
    if ! build "$config" "$(checker "$1")"; then
        verdict="does not compile: $(grep -m 1 'error' "$output")"
    elif ! check "$1"; then
        verdict=$([ "$(checker "$1")" = sim ] && sim_catcher || catcher)
        status=0
    fi
    edit "$1" --reverse || die "$1 cannot be taken back: $(cat "$output")"
    printf '%-32s %3d s  %s\n' "$1" $(($(date +%s) - start)) "$verdict"
    return $status
}

mkdir -p "$tree"
copy_sources
for fault; do
    [ -e "$here/$fault.patch" ] || die "there is no $here/$fault.patch"
    edit "$fault" --dry-run || die "$fault does not apply: $(cat "$output")"
    for key in Fault Config; do
        [ -n "$(header "$fault" $key)" ] || die "$fault has no line $key:"
    done
    [ -n "$(header "$fault" Tests)$(header "$fault" Sim)" ] ||
        die "$fault has no line Tests: or Sim:"
done

for config in $(for fault; do header "$fault" Config; done | sort -u); do
    build "$config" $(for fault; do checker "$fault"; done | sort -u) ||
        die "the copy does not build: $(tail -n 5 "$output")"
    patterns=$(for fault; do
        [ "$(header "$fault" Config)" != "$config" ] || header "$fault" Tests
    done | tr ' ' '\n' | sort -u)
    run "$config" 1 $patterns || die "without a fault, in $config: $(catcher)"
done
for fault; do
    [ "$(checker "$fault")" = tests-fork ] || check "$fault" ||
        die "without a fault: $(sim_catcher)"
done

caught=0
for fault; do
    plant "$fault" && caught=$((caught + 1))
done
echo "$caught of $# caught"
[ $caught -eq $# ]
