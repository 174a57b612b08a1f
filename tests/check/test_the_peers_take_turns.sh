#!/bin/sh
# tests/bench/peers/peers.sh with programs that only say who they are: whoever is there takes turns
# with the others, the round that warms up does not count, who is missing is left out and said so,
# and a section that is run again replaces its own figures alone.
set -eu
driver=tests/bench/peers/peers.sh
if [ "$(nproc)" -lt 2 ]; then
    echo "needs two processors"
    exit 77
fi
programs=$SCRATCH/build/bench/peers
mkdir -p "$programs"

# pinned CPUS PROGRAM…: the figures that PROGRAM would have had.
cat >"$programs/pinned" <<'END'
#!/bin/sh
shift
echo "$(basename "$1") $2 $3" >>"$(dirname "$1")/turns"
echo "20.00 3.5 0.25 10.00"
END
chmod +x "$programs/pinned"
for side in tsuga floor go; do
    printf '#!/bin/sh\n' >"$programs/messages_$side"
    chmod +x "$programs/messages_$side"
done
figures=$SCRATCH/build/bench-peers.jsonl
echo '{"section": "echo", "row": "kept", "side": "tsuga", "round": 1, "value": 1}' >"$figures"
echo '{"section": "messages", "row": "old", "side": "tsuga", "round": 1, "value": 1}' >>"$figures"

REPS=2 $driver "$SCRATCH/build" messages 2>"$SCRATCH/said"

expect() { # expect COUNT PATTERN FILE
    count=$(grep -cE -- "$2" "$3" || true)
    if [ "$count" -ne "$1" ]; then
        echo "expected $1 of $2, there are $count:"
        cat "$3"
        exit 1
    fi
}
expect 1 '"row": "kept"' "$figures"
expect 0 '"row": "old"' "$figures"
expect 1 '"machine": ' "$figures"
expect 2 '"row": "ping-pong, 1 executor", "side": "go", .*"value": 10.00, "clock": 20.00' "$figures"
expect 2 '"row": "big, 2 executors", "side": "tsuga", .*"value": 20.00, .*"others": 0.25' "$figures"
expect 2 '"row": "a million alive, memory", "side": "floor", .*"value": 3.5' "$figures"
expect 0 '"side": "(caf|erlang)"' "$figures"
expect 1 'skipped: messages of caf' "$SCRATCH/said"
expect 1 'skipped: messages of erlang' "$SCRATCH/said"
[ "$(grep ' fan-in 2' "$programs/turns" | sed 's/ .*//' | tr '\n' ' ')" = \
    "$(for round in 0 1 2; do printf 'messages_%s ' tsuga floor go; done)" ] || {
    echo "not in turns:"
    cat "$programs/turns"
    exit 1
}
