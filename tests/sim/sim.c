/*
 * Runs workloads in a simulated world, and says how to run one again.
 *
 *     sim [--seed N] [--seeds COUNT] [--seconds S] [--steps M] [--workload W] [--faults F]
 *         [--check STEPS] [--twice] [--hashes] [--trace] [--minimise] [--list]
 *
 * Seeds run from N on; each is used with every workload and every mix of faults, or with those that
 * are named. A mix is a name, or kinds with their rates in a million, or with the chance that they
 * take, counted from one: "short=50000,reset=9,memory@17". The first violation ends the program
 * with status 1, the last 200 events, what is in flight, the step, what was violated, and the
 * command that repeats the run.
 *
 *     --check     walk all structures after so many steps (512); 1 finds the step that is to blame
 *     --twice     run each seed twice, and compare the hashes
 *     --hashes    print them
 *     --trace     write every event to stderr
 *     --minimise  look for fewer steps and fewer kinds of faults with which the run still fails
 *     --list      the names of workloads, mixes and faults
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/sim/workload.h"

#define STEPS_DEFAULT UINT64_C(20000)
#define STEPS_SLACK   UINT64_C(4000000) /* for ending, beyond the steps of the run */

#define FORCED_MAX 16u

/* A fault that happens at its nth opportunity. */
struct forced {
    enum tsuga_sim_fault fault;
    uint64_t nth;
};

struct mix {
    const char *name;
    uint32_t faults[TSUGA_SIM_FAULT_COUNT];
};

/* Everything that makes a run what it is. */
struct plan {
    uint64_t seed;
    uint64_t steps;
    uint64_t check_steps;
    const struct sim_workload *workload;
    uint32_t faults[TSUGA_SIM_FAULT_COUNT];
    struct forced forced[FORCED_MAX];
    uint32_t forced_count;
    bool traces;
};

struct totals {
    uint64_t runs;
    uint64_t steps;
    uint64_t requests;
    uint64_t faults[TSUGA_SIM_FAULT_COUNT];
};

struct arguments {
    uint64_t seed;
    uint64_t seed_count;
    uint64_t steps;
    uint64_t check_steps;
    double seconds;
    const char *workload;
    const char *faults;
    bool is_twice;
    bool prints_hashes;
    bool traces;
    bool minimises;
};

static const struct mix mixes[] = {
    {"none", {0}},
    {"timing",
     {[TSUGA_SIM_EINTR] = 20000,
      [TSUGA_SIM_EAGAIN] = 20000,
      [TSUGA_SIM_EBUSY] = 10000,
      [TSUGA_SIM_PARTIAL] = 50000,
      [TSUGA_SIM_SHORT] = 100000,
      [TSUGA_SIM_WORKER] = 100000,
      [TSUGA_SIM_SLOW] = 10000,
      [TSUGA_SIM_STALL] = 5000,
      [TSUGA_SIM_PAUSE] = 500}},
    {"kernel",
     {[TSUGA_SIM_CQ_FULL] = 20000,
      [TSUGA_SIM_WORKER] = 200000,
      [TSUGA_SIM_END] = 50000,
      [TSUGA_SIM_LOST_END] = 300000,
      [TSUGA_SIM_NO_BUFFERS] = 50000,
      [TSUGA_SIM_CANCEL] = 200000,
      [TSUGA_SIM_NO_ZC] = 100000}},
    {"errors",
     {[TSUGA_SIM_EIO] = 5000,
      [TSUGA_SIM_ENOSPC] = 5000,
      [TSUGA_SIM_ENOMEM] = 1000,
      [TSUGA_SIM_EMFILE] = 5000,
      [TSUGA_SIM_RESET] = 3000,
      [TSUGA_SIM_REFUSE] = 10000,
      [TSUGA_SIM_LOSS] = 50000}},
    {"limits",
     {[TSUGA_SIM_REGISTER] = 50000,
      [TSUGA_SIM_MEMLOCK] = 200000,
      [TSUGA_SIM_RING] = 200000,
      [TSUGA_SIM_MEMORY] = 500,
      [TSUGA_SIM_THREAD] = 5000,
      [TSUGA_SIM_ENOMEM] = 1000}},
    {"stops", {[TSUGA_SIM_STOP] = 300, [TSUGA_SIM_KILL] = 300, [TSUGA_SIM_CANCEL] = 100000}},
};

#define MIX_COUNT (sizeof(mixes) / sizeof(mixes[0]))

/* What the handlers of signals and violations must know; a program may have globals. */
static struct plan current;
static struct tsuga_sim *current_sim;

static void print_faults(const struct plan *plan)
{
    const char *comma = "";

    printf(" --faults ");
    for (unsigned fault = 0; fault < TSUGA_SIM_FAULT_COUNT; fault++) {
        if (plan->faults[fault] == 0)
            continue;
        printf("%s%s=%" PRIu32, comma, tsuga_sim_fault_name(fault), plan->faults[fault]);
        comma = ",";
    }
    for (uint32_t i = 0; i < plan->forced_count; i++) {
        printf("%s%s@%" PRIu64, comma, tsuga_sim_fault_name(plan->forced[i].fault),
               plan->forced[i].nth);
        comma = ",";
    }
    printf("%s\n", comma[0] == '\0' ? "none" : "");
}

static void print_replay(const struct plan *plan)
{
    printf("replay: sim --seed %" PRIu64 " --steps %" PRIu64 " --workload %s", plan->seed,
           plan->steps, plan->workload->name);
    print_faults(plan);
    fflush(stdout);
}

static void on_violation(void *context, const char *what)
{
    struct tsuga_sim_verdict verdict;

    (void)context;
    signal(SIGABRT, SIG_DFL);
    if (current_sim != NULL) {
        tsuga_sim_verdict_read(current_sim, &verdict);
        tsuga_sim_print(current_sim, stdout);
        printf("violated at step %" PRIu64 ": %s\n", verdict.steps, what);
    }
    print_replay(&current);
    _exit(1);
}

/* An assertion of the library's has failed: it has said which. */
static void on_signal(int number)
{
    signal(number, SIG_DFL);
    on_violation(NULL, number == SIGABRT ? "an assertion" : "memory protection");
}

static void catch_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal};

    sigaction(SIGABRT, &action, NULL);
    sigaction(SIGSEGV, &action, NULL);
}

static uint64_t run(const struct plan *plan, struct totals *totals)
{
    struct tsuga_sim_options options = {.seed = plan->seed,
                                        .steps_max = plan->steps + STEPS_SLACK,
                                        .check_steps = plan->check_steps,
                                        .timeline = plan->traces ? stderr : NULL,
                                        .failed = on_violation};
    struct tsuga_sim_verdict verdict;
    struct sim_run run = {.random = plan->seed, .steps = plan->steps};

    current = *plan;
    memcpy(options.faults, plan->faults, sizeof(options.faults));
    run.is_peaceful = sim_is_peaceful(plan->faults);
    run.config = sim_configure(&run.random);
    if (tsuga_sim_make(&options, &run.sim) != 0) {
        fprintf(stderr, "sim: no memory for a world\n");
        exit(2);
    }
    current_sim = run.sim;
    run.is_peaceful &= plan->forced_count == 0;
    for (uint32_t i = 0; i < plan->forced_count; i++)
        (void)!tsuga_sim_force(run.sim, plan->forced[i].fault, plan->forced[i].nth);
    plan->workload->run(&run);
    tsuga_sim_verdict_read(run.sim, &verdict);
    tsuga_sim_destroy(run.sim);
    current_sim = NULL;
    totals->runs++;
    totals->steps += verdict.steps;
    totals->requests += verdict.requests;
    for (unsigned fault = 0; fault < TSUGA_SIM_FAULT_COUNT; fault++)
        totals->faults[fault] += verdict.faults[fault];
    return verdict.hash;
}

static void run_plan(const struct plan *plan, const struct arguments *arguments,
                     struct totals *totals)
{
    uint64_t hash = run(plan, totals);

    if (arguments->prints_hashes)
        printf("hash %016" PRIx64 "\n", hash);
    if (arguments->is_twice && run(plan, totals) != hash) {
        printf("two runs of one seed differ\n");
        print_replay(plan);
        exit(1);
    }
}

/* Minimising: each try is a process of its own. */

static bool still_fails(const struct plan *plan)
{
    struct totals totals = {0};
    int status = 0;
    pid_t child;

    fflush(stdout);
    child = fork();
    if (child == 0) {
        if (freopen("/dev/null", "w", stdout) == NULL || freopen("/dev/null", "w", stderr) == NULL)
            _exit(0);
        (void)run(plan, &totals);
        _exit(0);
    }
    return child > 0 && waitpid(child, &status, 0) == child &&
           !(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void minimise(struct plan *plan)
{
    if (!still_fails(plan)) {
        printf("this run does not fail\n");
        exit(2);
    }
    for (unsigned fault = 0; fault < TSUGA_SIM_FAULT_COUNT; fault++) {
        struct plan less = *plan;

        less.faults[fault] = 0;
        if (plan->faults[fault] != 0 && still_fails(&less))
            *plan = less;
    }
    for (uint64_t part = plan->steps / 2; part > 0; part /= 2) {
        struct plan less = *plan;

        less.steps -= part;
        if (less.steps > 0 && still_fails(&less))
            *plan = less;
    }
    print_replay(plan);
}

/* Arguments. */

static void refuse(const char *what, const char *value)
{
    fprintf(stderr, "sim: %s: %s\n", what, value);
    exit(2);
}

static uint64_t number_of(const char *text)
{
    char *end;
    uint64_t number;

    errno = 0;
    number = strtoull(text, &end, 0);
    if (errno != 0 || end == text || *end != '\0')
        refuse("not a number", text);
    return number;
}

static unsigned fault_of(const char *name)
{
    unsigned fault = 0;

    while (fault < TSUGA_SIM_FAULT_COUNT && strcmp(tsuga_sim_fault_name(fault), name) != 0)
        fault++;
    if (fault == TSUGA_SIM_FAULT_COUNT)
        refuse("no such fault", name);
    return fault;
}

/* "short=50000": one kind with its rate; "memory@17": one that happens once. */
static void set_rate(struct plan *plan, const char *text, size_t bytes)
{
    char pair[64];
    char *sign;
    bool is_rate;

    snprintf(pair, sizeof(pair), "%.*s", (int)bytes, text);
    sign = strpbrk(pair, "=@");
    if (sign == NULL)
        refuse("no such mix, nor a kind with its rate", pair);
    is_rate = *sign == '=';
    *sign = '\0';
    if (is_rate)
        plan->faults[fault_of(pair)] = (uint32_t)number_of(sign + 1);
    else if (plan->forced_count < FORCED_MAX)
        plan->forced[plan->forced_count++] =
            (struct forced){(enum tsuga_sim_fault)fault_of(pair), number_of(sign + 1)};
}

static void set_faults(struct plan *plan, const char *text)
{
    memset(plan->faults, 0, sizeof(plan->faults));
    plan->forced_count = 0;
    for (size_t i = 0; i < MIX_COUNT; i++) {
        if (strcmp(mixes[i].name, text) != 0)
            continue;
        memcpy(plan->faults, mixes[i].faults, sizeof(plan->faults));
        return;
    }
    while (*text != '\0') {
        size_t bytes = strcspn(text, ",");

        set_rate(plan, text, bytes);
        text += bytes + (text[bytes] == ',');
    }
}

static void list(void)
{
    for (const struct sim_workload *workload = sim_workloads; workload->name != NULL; workload++)
        printf("workload %-10s %s\n", workload->name, workload->what);
    for (size_t i = 0; i < MIX_COUNT; i++)
        printf("mix      %s\n", mixes[i].name);
    for (unsigned fault = 0; fault < TSUGA_SIM_FAULT_COUNT; fault++)
        printf("fault    %s\n", tsuga_sim_fault_name(fault));
    exit(0);
}

static void check_workload(const char *name)
{
    for (const struct sim_workload *workload = sim_workloads; workload->name != NULL; workload++) {
        if (name == NULL || strcmp(workload->name, name) == 0)
            return;
    }
    refuse("no such workload", name);
}

static bool take_flag(struct arguments *arguments, const char *name)
{
    if (strcmp(name, "--list") == 0)
        list();
    if (strcmp(name, "--twice") == 0)
        arguments->is_twice = true;
    else if (strcmp(name, "--hashes") == 0)
        arguments->prints_hashes = true;
    else if (strcmp(name, "--trace") == 0)
        arguments->traces = true;
    else if (strcmp(name, "--minimise") == 0)
        arguments->minimises = true;
    else
        return false;
    return true;
}

static void take_value(struct arguments *arguments, const char *name, const char *value)
{
    if (strcmp(name, "--seed") == 0)
        arguments->seed = number_of(value);
    else if (strcmp(name, "--seeds") == 0)
        arguments->seed_count = number_of(value);
    else if (strcmp(name, "--seconds") == 0)
        arguments->seconds = (double)number_of(value);
    else if (strcmp(name, "--steps") == 0)
        arguments->steps = number_of(value);
    else if (strcmp(name, "--check") == 0)
        arguments->check_steps = number_of(value);
    else if (strcmp(name, "--workload") == 0)
        arguments->workload = value;
    else if (strcmp(name, "--faults") == 0)
        arguments->faults = value;
    else
        refuse("unknown argument", name);
}

static void take_arguments(struct arguments *arguments, char **argv)
{
    for (; *argv != NULL; argv++) {
        if (take_flag(arguments, argv[0]))
            continue;
        if (argv[1] == NULL)
            refuse("unknown, or without a value", argv[0]);
        take_value(arguments, argv[0], argv[1]);
        argv++;
    }
}

static double now(clockid_t id)
{
    struct timespec time;

    clock_gettime(id, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* One seed, with every workload and mix that was named. */
static void run_seed(const struct arguments *arguments, uint64_t seed, struct totals *totals)
{
    struct plan plan = {.seed = seed,
                        .steps = arguments->steps,
                        .check_steps = arguments->check_steps,
                        .traces = arguments->traces};
    size_t mix_count = arguments->faults != NULL ? 1 : MIX_COUNT;

    for (plan.workload = sim_workloads; plan.workload->name != NULL; plan.workload++) {
        if (arguments->workload != NULL && strcmp(plan.workload->name, arguments->workload) != 0)
            continue;
        for (size_t i = 0; i < mix_count; i++) {
            set_faults(&plan, arguments->faults != NULL ? arguments->faults : mixes[i].name);
            if (arguments->minimises)
                minimise(&plan);
            else
                run_plan(&plan, arguments, totals);
        }
    }
}

static void print_totals(const struct totals *totals, double seconds)
{
    printf("%" PRIu64 " runs, %" PRIu64 " steps, %" PRIu64
           " requests, %.2f million steps a second of processor time\n",
           totals->runs, totals->steps, totals->requests, (double)totals->steps / seconds / 1e6);
    printf("faults:");
    for (unsigned fault = 0; fault < TSUGA_SIM_FAULT_COUNT; fault++) {
        if (totals->faults[fault] > 0)
            printf(" %s %" PRIu64, tsuga_sim_fault_name(fault), totals->faults[fault]);
    }
    printf("\n");
}

int main(int argc, char **argv)
{
    struct arguments arguments = {.seed_count = 1, .steps = STEPS_DEFAULT};
    struct totals totals = {0};
    double start = now(CLOCK_MONOTONIC);

    (void)argc;
    take_arguments(&arguments, argv + 1);
    check_workload(arguments.workload);
    catch_signals();
    printf("seed %" PRIu64 "\n", arguments.seed);
    fflush(stdout);
    for (uint64_t i = 0; arguments.seconds > 0 ? now(CLOCK_MONOTONIC) - start < arguments.seconds
                                               : i < arguments.seed_count;
         i++)
        run_seed(&arguments, arguments.seed + i, &totals);
    if (totals.runs > 0)
        print_totals(&totals, now(CLOCK_PROCESS_CPUTIME_ID));
    return 0;
}
