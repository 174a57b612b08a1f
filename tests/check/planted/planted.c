/* Tests with known outcomes, for test_the_drivers_tell_outcomes.sh. */
#include <stdlib.h>
#include <unistd.h>

#include "tests/support/test.h"

static void *volatile last;

TEST(planted, passes)
{
    CHECK_INT(1 + 1, 2);
}

TEST(planted, fails)
{
    CHECK_INT(1 + 1, 3);
}

TEST(planted, skips)
{
    SKIP("%s", "on purpose");
}

TEST(planted, crashes)
{
    abort();
}

TEST(planted, exits)
{
    _exit(3);
}

/* Left out of the ordinary run, because it takes as long as the time limit allows. */
TEST(planted, hangs)
{
    for (;;)
        pause();
}

/* Fails where leaks are looked for. */
TEST(planted, leaks)
{
    last = malloc(64);
    last = NULL;
}
