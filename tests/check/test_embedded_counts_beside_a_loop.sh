#!/bin/sh
# Many files counted by actors beside an epoll loop: every one comes out, with the right number, and
# one that is missing is named. No time limit of the loop's is needed.
set -eu
embedded=$PWD/$BUILD/examples/embedded
cd "$SCRATCH"

for i in $(seq 1 500); do
    seq 1 "$i" >"file$i"
done
ls file* | cat | timeout 60 "$embedded" | sort -n >ours
seq 1 500 | sed 's/.*/& file&/' | cmp - ours
echo "passed: counts"

# Names that come one by one, while the loop waits.
for i in 3 1 2; do echo "file$i"; sleep 0.1; done | timeout 60 "$embedded" | sort -n >ours
printf '1 file1\n2 file2\n3 file3\n' | cmp - ours
echo "passed: waits"

status=0
printf 'file5\nmissing\nfile6\n' | timeout 60 "$embedded" >ours 2>errors || status=$?
[ $status -eq 1 ] || { echo "status $status"; exit 1; }
grep -q '^embedded: missing: No such file' errors
sort -n ours | cmp - <<END
5 file5
6 file6
END
echo "passed: failures"

timeout 60 "$embedded" </dev/null 2>errors && { echo "epoll takes no /dev/null"; exit 1; }
grep -q 'not permitted' errors
: | timeout 60 "$embedded" | cmp - /dev/null
echo "passed: nothing"
