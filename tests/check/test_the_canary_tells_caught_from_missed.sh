#!/bin/sh
# tests/canary/canary.sh on a program of one line: it says which test caught a fault, fails when
# none did, leaves no fault in its copy, and refuses a patch that does not apply and a test that
# fails without any fault.
set -eu
canary=$PWD/tests/canary/canary.sh
cd "$SCRATCH"
mkdir -p tests/canary copy

cat >Makefile <<'END'
build/%/tests-fork: answer tests/program
	mkdir -p $(@D) && cp tests/program $@
END
cat >tests/program <<'END'
#!/bin/sh
grep -q '^answer 42$' answer && exit 0
echo 'tests/unit/answer.c:1: check failed: answer is not 42'
echo '[ FAIL ] answer/is_42'
exit 1
END
chmod +x tests/program
printf 'question ?\nanswer 42\n' >answer

# fault NAME FROM TO: a patch for the answer.
fault() {
    printf 'Fault:  %s\nConfig: debug\nTests:  answer/*\n' "$1" >"tests/canary/$1.patch"
    sed "s/$2/$3/" answer | diff -u --label a/answer --label b/answer answer - \
        >>"tests/canary/$1.patch" || true
}

# says WORDS: the last run did. fails NAME…: it does.
says() { grep -q -- "$1" output || { echo "did not say: $1"; cat output; exit 1; }; }
fails() {
    if "$canary" copy "$@" >output 2>&1; then
        echo "did not fail: $*"
        cat output
        exit 1
    fi
}

fault wrong 42 41
fault harmless '?' '!'
"$canary" copy wrong >output 2>&1 || { cat output; exit 1; }
says '^wrong .* s  answer/is_42: tests/answer.c:1: check failed: answer is not 42$'
says '^1 of 1 caught$'
cmp answer copy/tree/answer

fails
says '^harmless .* NOT CAUGHT: harmless$'
says '^1 of 2 caught$'

sed 's/^ question/ a question/' tests/canary/wrong.patch >tests/canary/stale.patch
fails stale
says 'stale does not apply'

sed '/^Tests:/d' tests/canary/wrong.patch >tests/canary/mute.patch
fails mute
says 'mute has no line Tests: or Sim:'

cat >>Makefile <<'END'
build/%/sim: answer tests/sim
	mkdir -p $(@D) && cp tests/sim $@
END
cat >tests/sim <<'END'
#!/bin/sh
[ "$*" = '--seed 7' ] || exit 2
grep -q '^answer 42$' answer && exit 0
echo 'violated at step 9: answer is not 42'
echo 'replay: sim --seed 7 --steps 10'
exit 1
END
chmod +x tests/sim
sed 's/^Tests:.*/Sim:    --seed 7/' tests/canary/wrong.patch >tests/canary/unseen.patch
"$canary" copy unseen >output 2>&1 || { cat output; exit 1; }
says '^unseen .* s  sim --seed 7 --steps 10: step 9: answer is not 42$'
says '^1 of 1 caught$'

echo 'answer 43' >answer
fault other 43 44
fails other
says 'without a fault, in debug: answer/is_42'
