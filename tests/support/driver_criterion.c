/*
 * Runs the registered tests under Criterion, which gives each one a process and brings its own
 * options (--filter, --list, --jobs, --xml …).
 */
#include <criterion/abort.h>
#include <criterion/criterion.h>
#include <criterion/hooks.h>
#include <criterion/options.h>
#include <criterion/stats.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/driver.h"

#define TESTS_MAX 4096u

/*
 * Criterion starts every test by executing the program anew up to main and hands over the addresses
 * of what was registered. So these must lie in the program's image: the names are literals, and
 * the child finds its zeroed twin of an entry's data, which stands for Criterion's defaults.
 */
struct entry {
    struct criterion_test test;
    struct criterion_test_extra_data data;
    char identifier[256];
};

static struct entry entries[TESTS_MAX];
static int exit_status;

static const struct tsuga_test *current(void)
{
    const struct tsuga_test *test = tsuga_test_list();

    while (test != NULL && (strcmp(test->suite, criterion_current_test->category) != 0 ||
                            strcmp(test->name, criterion_current_test->name) != 0))
        test = test->next;
    return test;
}

static void run_body(void)
{
    tsuga_test_run(current());
}

/* The three phases that Criterion's own Test macro goes through. */
static void run_phases(void)
{
    criterion_internal_test_setup();
    criterion_internal_test_main(run_body);
    criterion_internal_test_teardown();
}

static void add(struct criterion_test_set *set, struct entry *entry, const struct tsuga_test *test)
{
    snprintf(entry->identifier, sizeof(entry->identifier), "%s/%s", test->suite, test->name);
    entry->data = (struct criterion_test_extra_data){
        .lang_ = CR_LANG_C,
        .identifier_ = entry->identifier,
        .file_ = test->suite,
        .timeout = tsuga_test_seconds_max(),
    };
    entry->test = (struct criterion_test){test->name, test->suite, run_phases, &entry->data};
    criterion_register_test(set, &entry->test);
}

static void tally_test(struct tsuga_test_tally *tally, const struct criterion_test_stats *stats)
{
    static const enum tsuga_test_outcome outcomes[] = {
        [CR_STATUS_PASSED] = TSUGA_TEST_PASSED,
        [CR_STATUS_FAILED] = TSUGA_TEST_FAILED,
        [CR_STATUS_SKIPPED] = TSUGA_TEST_SKIPPED,
    };
    const struct criterion_test *test = stats->test;

    /* The filter disables what it does not match; that is not a skipped test. */
    if (!test->data->disabled)
        tsuga_test_tally_add(tally, outcomes[stats->test_status], test->category, test->name);
}

ReportHook(POST_ALL)(struct criterion_global_stats *all)
{
    struct tsuga_test_tally tally;

    tsuga_test_tally_open(&tally);
    for (struct criterion_suite_stats *suite = all->suites; suite != NULL; suite = suite->next)
        for (struct criterion_test_stats *test = suite->tests; test != NULL; test = test->next)
            tally_test(&tally, test);
    exit_status = tsuga_test_tally_close(&tally);
}

_Noreturn void tsuga_driver_skip(const char *reason)
{
    criterion_skip_test("%s", reason);
}

/* Criterion's own --list knows only the tests that its macros registered. */
static int list(void)
{
    for (const struct tsuga_test *test = tsuga_test_list(); test != NULL; test = test->next)
        printf("%s/%s\n", test->suite, test->name);
    return EXIT_SUCCESS;
}

/* Visible, because Criterion finds main among the dynamic symbols to stop its children before it.
 */
__attribute__((visibility("default"))) int main(int argc, char *argv[])
{
    struct criterion_test_set *set;
    unsigned count = 0;

    if (argc == 2 && strcmp(argv[1], "--list") == 0)
        return list();
    set = criterion_initialize();
    for (const struct tsuga_test *test = tsuga_test_list(); test != NULL; test = test->next) {
        if (count == TESTS_MAX) {
            fprintf(stderr, "more than %u tests: raise TESTS_MAX\n", TESTS_MAX);
            return EXIT_FAILURE;
        }
        add(set, &entries[count++], test);
    }
    /* Tests measure and race; two at a time would make one another's times unreliable. */
    criterion_options.jobs = 1;
    if (criterion_handle_args(argc, argv, true) != 0)
        criterion_run_all_tests(set);
    criterion_finalize(set);
    return exit_status;
}
