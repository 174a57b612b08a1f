#!/bin/sh
# A file of more than 4 GiB, sparse, is copied through a heap of more than 1 GiB, every operation
# with registered memory. Then a small one as an ordinary user with each limit on locked memory:
# the copy is the same, and one line says what is in the way and what to do about it.
set -eu
cp "$BUILD/examples/registered" "$SCRATCH"
cd "$SCRATCH"
chmod 777 .
as_anybody=
if [ "$(id -u)" -eq 0 ]; then
    as_anybody="setpriv --reuid=65533 --regid=65533 --clear-groups --inh-caps=-all"
fi

fail() {
    echo "$1"
    cat out messages
    exit 1
}

# make_source MIB: some data in every tenth MiB.
make_source() {
    rm -f source
    truncate -s "$1M" source
    i=0
    while [ "$i" -lt "$1" ]; do
        seq "$i" $((i + 9999)) | dd of=source bs=64K seek=$((i * 16)) conv=notrunc status=none
        i=$((i + $1 / 10))
    done
    chmod 644 source
}

available=$(awk '/^MemAvailable/ { print int($2 / 1024) }' /proc/meminfo)
if [ "$available" -gt 4000 ] && { [ "$(id -u)" -eq 0 ] || [ "$(ulimit -l)" = unlimited ]; }; then
    make_source 4100
    TSUGA_LOG_LEVEL=off ./registered -m 1032 source copy >out 2>messages || fail "large: status $?"
    cmp source copy || fail "large: the copy differs"
    sed -n 's/^registered: \([0-9]*\) of \([0-9]*\) operations fixed.*/\1 \2/p' out >counts
    read -r fixed all <counts
    [ "$fixed" -eq "$all" ] || fail "large: not every operation is fixed"
    [ "$(du -m copy | cut -f 1)" -lt 1000 ] || fail "large: no holes"
    rm -f source copy
    echo "passed: 4100 MiB through 1032 MiB"
else
    echo "skipped: 4100 MiB through 1032 MiB"
fi

# with_limit BYTES: sets $fixed to how many operations were.
with_limit() {
    rm -f copy
    prlimit --memlock="$1:$1" $as_anybody env TSUGA_EXECUTOR_RING_ENTRIES=64 \
        TSUGA_EXECUTOR_CQ_ENTRIES=256 ./registered -m 32 source copy >out 2>messages ||
        fail "$1: status $?"
    cmp source copy || fail "$1: the copy differs"
    sed -n 's/^registered: \([0-9]*\) of [0-9]* operations fixed.*/\1/p' out >counts
    read -r fixed <counts
}

make_source 100
for limit in 65536 524288 8388608; do
    with_limit $limit
    line="RLIMIT_MEMLOCK is $((limit / 1024))K.*ulimit -l.*plain operations go on"
    [ "$(grep -c "registered memory: $line" messages)" -eq 1 ] || fail "$limit: not one line"
    [ $limit -lt 8388608 ] || [ "$fixed" -gt 0 ] || fail "$limit: no operation is fixed"
    grep 'registered memory' messages
    echo "passed: $limit"
done
if prlimit --memlock=unlimited:unlimited true 2>/dev/null; then
    with_limit unlimited
    if grep 'registered memory' messages; then fail "unlimited: a limit is in the way"; fi
    [ "$fixed" -gt 100 ] || fail "unlimited: few operations are fixed"
    echo "passed: unlimited"
else
    echo "skipped: unlimited"
fi
