#!/bin/sh
# tests/bench/peers/table.sh on planted figures: medians, ratios formed within each round, bounds
# that are met and that are not, rows that are missing; and nothing but the part between the marks.
set -eu
mkdir "$SCRATCH/build"
figures=$SCRATCH/build/bench-peers.jsonl
document=$SCRATCH/document.md
row="ping-pong, 1 executor"

figure() { # figure ROW SIDE ROUND VALUE [RATIO]
    printf '{"section": "x", "row": "%s", "side": "%s", "round": %d, "value": %s%s}\n' \
        "$1" "$2" "$3" "$4" "${5:+, \"ratio\": $5}" >>"$figures"
}
# The machine becomes twice as slow in the second round, and ten times in the third: ratios stay.
figure "$row" tsuga 1 20
figure "$row" tsuga 2 40
figure "$row" tsuga 3 200
figure "$row" floor 1 10
figure "$row" floor 2 20
figure "$row" floor 3 100
figure "$row" go 1 80
figure "$row" go 2 80
figure "$row" go 3 80
# Here the benchmark formed the ratio.
row="NOP through a mailbox, depth 1"
figure "$row" tsuga 1 500
figure "$row" floor 1 100 1.1
row="idle process"
figure "$row" tsuga 1 0
figure "$row" libuv 1 0

printf '%s\n' before '<!-- begin: make bench-table -->' old '<!-- end: make bench-table -->' after \
    >"$document"
tests/bench/peers/table.sh "$SCRATCH/build" "$document" >/dev/null

expect() { grep -qF -- "$1" "$document" || { echo "expected: $1"; cat "$document"; exit 1; }; }
expect '| ping-pong, 1 executor, ns a message | 40.0 | 20.0 (2.00 ×, 2.00 to 2.00) '
expect '| go 80.0 (0.50 ×, 0.25 to 2.50) | ≤ 25 | **not met** |'
expect '| NOP through a mailbox, depth 1, ns | 500 | 100 (1.10 ×, 1.10 to 1.10) |  |'
expect '| of floor ≤ 1.15 × | met |'
expect '| idle process, wake-ups a second | 0.00 |  | libuv 0.00 | ≤ 0 | met |'
expect 'Not measured: ping-pong, 2 executors allowed;'
[ "$(head -n 1 "$document") $(tail -n 1 "$document")" = 'before after' ]
! grep -q '^old$' "$document"

# A second run finds the same marks and changes nothing.
cp "$document" "$SCRATCH/once"
tests/bench/peers/table.sh "$SCRATCH/build" "$document" >/dev/null
cmp "$document" "$SCRATCH/once"
