#!/bin/sh
# Both drivers report a failure, a crash, an exit, a skip, a hang and (under AddressSanitizer) a
# leak for what it is. Without this, a broken driver would pass everything.
set -eu

expected="failed planted/crashes
failed planted/exits
failed planted/fails
LEAK planted/leaks
passed planted/passes
skipped planted/skips"

# run NAME LEAK-OUTCOME FLAGS…
run() {
    driver=$1
    leak=$2
    shift 2
    library=
    [ "$driver" = fork ] || library=-lcriterion
    # shellcheck disable=SC2086 # no library, no word
    $CC -std=c11 -D_GNU_SOURCE -I. -g "$@" -pthread -fvisibility=hidden -o "$SCRATCH/$driver" \
        tests/check/planted/planted.c tests/support/test.c tests/support/tally.c \
        "tests/support/driver_$driver.c" $library
    export TSUGA_TEST_RESULTS="$SCRATCH/results"
    if "$SCRATCH/$driver" --filter 'planted/[!h]*' >"$SCRATCH/output" 2>&1; then
        echo "$driver $*: exit status 0"
        exit 1
    fi
    printf '%s\n' "$expected" | sed "s/LEAK/$leak/" >"$SCRATCH/expected"
    sort -k 2 "$SCRATCH/results" | diff "$SCRATCH/expected" - || { cat "$SCRATCH/output"; exit 1; }
    tail -n 1 "$SCRATCH/output" | grep -Eqx '[12] passed, [34] failed, 1 skipped' || {
        cat "$SCRATCH/output"
        exit 1
    }
    for pattern in planted/passes 'planted/p*'; do
        "$SCRATCH/$driver" --filter "$pattern" >/dev/null 2>&1
        [ "$(cat "$SCRATCH/results")" = "passed planted/passes" ]
    done
    if TSUGA_TEST_SECONDS=1 "$SCRATCH/$driver" --filter 'planted/h*' >/dev/null 2>&1; then
        echo "$driver $*: exit status 0 with a hanging test"
        exit 1
    fi
    [ "$(cat "$SCRATCH/results")" = "failed planted/hangs" ]
    [ "$("$SCRATCH/$driver" --list | wc -l)" -eq 7 ]
}

for driver in criterion fork; do
    run $driver passed
    run $driver failed -fsanitize=address
done
run fork passed -fsanitize=thread
