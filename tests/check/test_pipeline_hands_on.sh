#!/bin/sh
# The pipeline changes what passes through it and nothing else, in little memory, and ends with the
# reason for which its first stage failed.
set -eu
pipeline=$PWD/$BUILD/examples/pipeline
cd "$SCRATCH"

seq 1 3000000 | sed 's/$/ text/' >text
LC_ALL=C tr a-z A-Z <text >capitals
timeout 60 "$pipeline" <text | cmp - capitals
cat text | timeout 60 "$pipeline" >ours
cmp ours capitals
timeout 60 "$pipeline" </dev/null | cmp - /dev/null
echo "passed: changes"

# The reader goes as far ahead of the output as a few blocks reach; what it has not read is left.
mkfifo slow
{
    timeout 60 "$pipeline" >slow 2>messages || true
    wc -c >rest
} <text &
head -c 10000000 <slow >/dev/null
wait $!
read=$(($(wc -c <text) - $(cat rest)))
[ $read -le $((10000000 + 20 * 65536)) ] || { echo "has read $read bytes"; exit 1; }
echo "passed: waits"

status=0
timeout 60 "$pipeline" <text >/dev/full 2>messages || status=$?
[ $status -eq 1 ] || { echo "full: status $status"; exit 1; }
grep -qx 'pipeline: No space left on device' messages || { cat messages; exit 1; }
status=0
timeout 60 "$pipeline" </ 2>messages || status=$?
[ $status -eq 1 ] || { echo "directory: status $status"; exit 1; }
grep -qx 'pipeline: Is a directory' messages || { cat messages; exit 1; }
echo "passed: errors"
