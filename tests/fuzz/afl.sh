#!/bin/sh
# Runs fuzz targets under AFL++, one after the other, from the corpora of the repository. Fails when
# an input crashed or hung one; it lies in OUT/TARGET/default/crashes or hangs.
#
#     afl.sh SECONDS OUT PROGRAM…
set -eu
seconds=$1
out=$2
shift 2
export AFL_NO_UI=1 AFL_QUIET=1 AFL_SKIP_CPUFREQ=1 AFL_NO_AFFINITY=1
export AFL_I_DONT_CARE_ABOUT_MISSING_CRASHES=1
# A sanitizer that finds something ends the process by a signal, which AFL++ waits for.
export ASAN_OPTIONS=abort_on_error=1:symbolize=0:detect_leaks=0
export UBSAN_OPTIONS=abort_on_error=1:symbolize=0

failed=0
for program; do
    target=$(basename "$program")
    target=${target#fuzz_}
    rm -rf "${out:?}/$target"
    mkdir -p "$out"
    # A second without an end is a hang; the runtime's own waits are shorter.
    afl-fuzz -V "$seconds" -t 1000 -m none -i "tests/fuzz/corpus/$target" -o "$out/$target" \
        -- "$program" >"$out/$target.log" 2>&1 || { tail -n 20 "$out/$target.log"; failed=1; }
    found=$(find "$out/$target/default/crashes" "$out/$target/default/hangs" -name 'id*' | wc -l)
    awk -F ' *: *' -v target="$target" -v found="$found" '
        $1 == "execs_done" || $1 == "corpus_count" { value[$1] = $2 }
        END { printf "%-8s %9d inputs, %5d kept, %d crashed or hung\n",
                     target, value["execs_done"], value["corpus_count"], found }' \
        "$out/$target/default/fuzzer_stats"
    [ "$found" -eq 0 ] || failed=1
done
exit $failed
