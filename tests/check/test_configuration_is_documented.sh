#!/bin/sh
# Every key of the configuration has its row in docs/configuration.md, and every row its key.
set -eu
sed -n 's/^ *[A-Z]*([a-z]*, \([a-z_]*\)[,)].*/\1/p; s/^ *FEATURE(\([a-z_]*\),.*/\1/p;
    s/^ *\.name = "\([a-z_]*\)",$/\1/p' runtime/config_keys.c | sort > "$SCRATCH/keys"
sed -n '/^## Keys/,$s/^| [a-z]* *| \([a-z_]*\) |.*/\1/p' docs/configuration.md |
    grep -vx key | sort > "$SCRATCH/rows"
[ "$(wc -l < "$SCRATCH/keys")" -ge 30 ]
diff "$SCRATCH/keys" "$SCRATCH/rows"
