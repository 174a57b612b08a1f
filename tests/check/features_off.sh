#!/bin/sh
# Runs all unit tests once for each kernel feature that can be switched off, with that feature off,
# so that its fallback does all the work. A test that is about the feature itself skips.
#
#     features_off.sh BUILD [KEY…]        KEY of the section [features]; default: each
set -u

build=$1
shift
results=$build/features.results
[ $# -gt 0 ] || set -- $(sed -n 's/^ *FEATURE(\([a-z_]*\), TSUGA_.*/\1/p' runtime/config_keys.c)
[ $# -gt 0 ] || { echo "features_off: no keys found"; exit 1; }
failed=0

for key in "$@"; do
    name=TSUGA_FEATURES_$(echo "$key" | tr '[:lower:]' '[:upper:]')
    env "$name=off" TSUGA_TEST_RESULTS="$results" "$build/tests" >"$results.log" 2>&1
    status=$?
    printf '%-24s off: %s\n' "$key" "$(tail -n 1 "$results.log")"
    if [ $status -ne 0 ]; then
        failed=1
        grep '^failed' "$results"
        grep -E 'check failed|assertion failed|does not hold' "$results.log"
    fi
done
exit $failed
