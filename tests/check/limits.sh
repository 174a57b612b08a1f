#!/bin/sh
# Runs all unit tests and the demonstration as an ordinary user, once with each limit on locked
# memory, and once with two slots in each ring: each works, or does without as documented. A test
# that is about what the limit forbids skips, and says why.
#
#     limits.sh DEBUG-BUILD RELEASE-BUILD DIRECTORY [LIMIT…]
#
# LIMIT: bytes, "unlimited" or "slots"; default: 64 KiB, 512 KiB, 8 MiB, unlimited, slots. The user
# is 65534, or LIMITS_USER: what any process of a user has locked counts for all of them.
set -u

debug=$1
release=$2
tree=$3
shift 3
[ $# -gt 0 ] || set -- 65536 524288 8388608 unlimited slots
user=${LIMITS_USER:-65534}
failed=0
[ "$(id -u)" -eq 0 ] || { echo "limits: only root may become another user"; exit 1; }

# Programs and results lie where that user may read and write.
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
mkdir "$scratch/examples" "$scratch/check"
cp "$debug/tests" tests/check/demo.sh "$scratch"
cp "$release/examples/hash" "$release/examples/echo" "$scratch/examples"
cp "$release/check/echo_flood" "$scratch/check"
chown -R "$user:$user" "$scratch"

# limited LIMIT COMMAND…: both the soft and the hard limit. Root itself may not be allowed to
# raise the hard one; who has CAP_IPC_LOCK has no limit either.
limited() {
    most=$1
    shift
    settings=
    capabilities="--inh-caps=-all"
    if [ "$most" = slots ]; then
        settings="TSUGA_IOHEAP_REGISTRATION=always TSUGA_IOHEAP_REGISTRATION_SLOTS=2"
        most=unlimited
    fi
    if [ "$most" = unlimited ]; then
        most=$(prlimit --memlock --noheadings --output=HARD | tr -d ' ')
        [ "$most" = unlimited ] || capabilities="--inh-caps=+ipc_lock --ambient-caps=+ipc_lock"
    fi
    (cd "$scratch" && prlimit --memlock="$most:$most" setpriv --reuid="$user" --regid="$user" \
        --clear-groups $capabilities env HOME="$scratch" $settings "$@")
}

for limit in "$@"; do
    limited "$limit" env TSUGA_TEST_RESULTS=results ./tests >"$scratch/log" 2>&1 || {
        failed=1
        grep '^failed' "$scratch/results"
        grep -E 'check failed|assertion failed|does not hold' "$scratch/log"
    }
    printf '%-10s tests: %s\n' "$limit" "$(tail -n 1 "$scratch/log")"
    if limited "$limit" ./demo.sh . "$tree" >"$scratch/log" 2>&1; then
        printf '%-10s demo: passed\n' "$limit"
    else
        failed=1
        printf '%-10s demo: FAILED\n' "$limit"
        cat "$scratch/log"
    fi
    # What is done without is said.
    grep '^tsuga: ' "$scratch/log" | sort | uniq
done
exit $failed
