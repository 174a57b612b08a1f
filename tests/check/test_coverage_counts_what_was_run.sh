#!/bin/sh
# tests/check/coverage.sh on a program that is run in part: lines and branches by file and folder,
# each once although two sources include the header, without the branches of assertions.
set -eu
coverage=$PWD/tests/check/coverage.sh
cd "$SCRATCH"
mkdir -p part build/obj/part

cat >part/half.h <<'END'
#define TSUGA_VERIFY(condition) ((condition) ? (void)0 : __builtin_abort())
static inline int half(int number)
{
    TSUGA_VERIFY(number !=
                 1000);
    if (number > 10)
        return 10;
    return number / 2;
}
END
cat >part/one.c <<'END'
#include "part/half.h"
int two(int number);
int main(void)
{
    if (half(4) == 3)
        return 1;
    return two(20) != 10;
}
END
cat >part/two.c <<'END'
#include "part/half.h"
int two(int number)
{
    return half(number);
}
END
for name in one two; do
    gcc -I. -O0 --coverage -c -o build/obj/part/$name.o part/$name.c
done
gcc --coverage -o program build/obj/part/one.o build/obj/part/two.o
./program
"$coverage" build part/one.c part/two.c >output

expect() { grep -qE -- "$1" output || { echo "expected: $1"; cat output; exit 1; }; }
expect '^ 100\.0 % of +5 lines +100\.0 % of +2 branches +part/half\.h$'
expect '^ +75\.0 % of +4 lines +50\.0 % of +2 branches +part/one\.c$'
expect '^ 100\.0 % of +2 lines +100\.0 % of +0 branches +part/two\.c$'
expect ' of +11 lines .* of +4 branches +part/$'
expect '^part/one\.c:6: never: +return 1;$'
