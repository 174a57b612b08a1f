#!/bin/sh
# Runs every tests/check/test_*.sh against the programs and libraries of one build, appends their
# outcomes to a result file, and closes with the total of that file.
#
#     run_scripts.sh BUILD RESULTS [NAME-PATTERN]
#
# A script is told BUILD and a SCRATCH directory of its own by its environment. It exits 0 when it
# passed and 77 when it was skipped. What it prints is shown unless it passed.
set -u

build=$1
results=$2
pattern=${3:-*}
failed=0
output=$(mktemp)
trap 'rm -f "$output"' EXIT

for script in tests/check/test_$pattern.sh; do
    [ -e "$script" ] || continue
    name=check/$(basename "$script" .sh | cut -c6-)
    scratch=$(mktemp -d)
    BUILD=$build SCRATCH=$scratch CC=${CC:-gcc} timeout 300 "$script" >"$output" 2>&1
    case $? in
        0) outcome=passed ;;
        77) outcome=skipped ;;
        *) outcome=failed failed=1 ;;
    esac
    rm -rf "$scratch"
    echo "$outcome $name" >>"$results"
    if [ $outcome != passed ]; then
        echo "[$outcome] $name"
        cat "$output"
    fi
done

awk '{ count[$1]++ }
     END { printf "%d passed, %d failed, %d skipped\n",
                  count["passed"], count["failed"], count["skipped"] }' "$results"
exit $failed
