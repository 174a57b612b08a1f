#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/driver.h"

static const char *const outcome_names[TSUGA_TEST_OUTCOMES] = {
    [TSUGA_TEST_PASSED] = "passed",
    [TSUGA_TEST_FAILED] = "failed",
    [TSUGA_TEST_SKIPPED] = "skipped",
};

void tsuga_test_tally_open(struct tsuga_test_tally *tally)
{
    const char *path = getenv("TSUGA_TEST_RESULTS");

    memset(tally, 0, sizeof(*tally));
    if (path == NULL)
        return;
    tally->results = fopen(path, "we");
    if (tally->results == NULL) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        exit(EXIT_FAILURE);
    }
}

void tsuga_test_tally_add(struct tsuga_test_tally *tally, enum tsuga_test_outcome outcome,
                          const char *suite, const char *name)
{
    tally->count[outcome]++;
    if (tally->results != NULL)
        fprintf(tally->results, "%s %s/%s\n", outcome_names[outcome], suite, name);
}

int tsuga_test_tally_close(struct tsuga_test_tally *tally)
{
    bool is_written = tally->results == NULL || fclose(tally->results) == 0;
    bool has_run = tally->count[TSUGA_TEST_PASSED] + tally->count[TSUGA_TEST_SKIPPED] > 0;

    if (!is_written)
        fprintf(stderr, "the result file could not be written\n");
    printf("%u passed, %u failed, %u skipped\n", tally->count[TSUGA_TEST_PASSED],
           tally->count[TSUGA_TEST_FAILED], tally->count[TSUGA_TEST_SKIPPED]);
    return is_written && has_run && tally->count[TSUGA_TEST_FAILED] == 0 ? 0 : 1;
}
