#!/bin/sh
# Every fault of tests/canary still fits the code that it is about. `make canary` plants them.
set -eu
for fault in tests/canary/*.patch; do
    said=$(patch -p1 --dry-run --fuzz=0 --force <"$fault" 2>&1) ||
        { echo "$fault does not apply:"; echo "$said"; exit 1; }
done
