#include "executor/overflow.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <ucontext.h>
#include <unistd.h>

#include "runtime/base/bits.h"
#include "runtime/base/sanitize.h"

/* The program's own handler may run here too. The odd size tells the handler, which may interrupt
 * any thread, that this signal stack is one of ours. */
#define WATCH_BYTES ((64u << 10) - 16u)
#define WATCH_MAGIC UINT64_C(0x7473756761207374)

/* Lies at the low end of its signal stack, where the handler finds it. */
struct tsuga_overflow_watch {
    uint64_t magic;
    const struct tsuga_stack_pool *pool;
    tsuga_overflow_name_fn *name;
    void *context;
    stack_t previous;
};

/* The one exception to "no mutable globals": a signal's disposition exists once per process, and
 * the handler must pass on faults of threads that have no watch. `previous` is constant while the
 * handler is installed. */
static struct {
    pthread_mutex_t lock;
    unsigned watch_count;
    bool is_installed;
    struct sigaction previous;
} process = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* snprintf is not safe in a signal handler. Returns the length. */
static size_t append(char *line, size_t used, size_t bytes, const char *text)
{
    while (*text != '\0' && used < bytes)
        line[used++] = *text++;
    return used;
}

static void report(const struct tsuga_overflow_watch *watch, uint32_t index)
{
    const char *name = watch->name(watch->context, index);
    char line[256];
    size_t used = 0;

    used = append(line, used, sizeof(line) - 1, "tsuga: stack overflow in ");
    used = append(line, used, sizeof(line) - 1, name ? name : "an unnamed actor");
    line[used++] = '\n';
    /* Nothing can be done about a stderr that is closed. */
    if (write(STDERR_FILENO, line, used) < 0)
        return;
}

static const struct tsuga_overflow_watch *watch_of(const ucontext_t *interrupted)
{
    const struct tsuga_overflow_watch *watch = interrupted->uc_stack.ss_sp;

    if ((interrupted->uc_stack.ss_flags & SS_DISABLE) != 0)
        return NULL;
    if (interrupted->uc_stack.ss_size != WATCH_BYTES || watch->magic != WATCH_MAGIC)
        return NULL;
    return watch;
}

/* Ends the process once the handler returns: the faulting instruction runs again, and the core dump
 * points at it. A signal that somebody sent has no such instruction and is sent again; it waits
 * while the handler runs. */
static void end_process(int signal, const siginfo_t *info)
{
    struct sigaction action = {.sa_handler = SIG_DFL};

    sigaction(signal, &action, NULL);
    if (info->si_code <= 0)
        raise(signal);
}

static void pass_on(int signal, siginfo_t *info, void *context)
{
    const struct sigaction *previous = &process.previous;

    if ((previous->sa_flags & SA_SIGINFO) != 0)
        previous->sa_sigaction(signal, info, context);
    else if (previous->sa_handler != SIG_DFL && previous->sa_handler != SIG_IGN)
        previous->sa_handler(signal);
    else if (previous->sa_handler == SIG_DFL || info->si_code > 0)
        end_process(signal, info); /* the kernel does not let a fault be ignored */
}

static void on_fault(int signal, siginfo_t *info, void *context)
{
    const struct tsuga_overflow_watch *watch = watch_of(context);
    int saved_errno = errno;
    uint32_t index;

    /* A positive code comes from the kernel; kill() brings an address that means nothing. */
    if (watch == NULL || info->si_code <= 0 ||
        !tsuga_stack_guard_find(watch->pool, info->si_addr, &index)) {
        pass_on(signal, info, context);
    } else {
        report(watch, index);
        end_process(signal, info);
    }
    errno = saved_errno;
}

static int install(void)
{
    struct sigaction action = {
        .sa_sigaction = on_fault,
        .sa_flags = SA_SIGINFO | SA_ONSTACK,
    };
    int error = 0;

    pthread_mutex_lock(&process.lock);
    if (!process.is_installed) {
        error = sigaction(SIGSEGV, NULL, &process.previous) == 0 ? 0 : -errno;
        if (error == 0)
            error = sigaction(SIGSEGV, &action, NULL) == 0 ? 0 : -errno;
        process.is_installed = error == 0;
    }
    if (error == 0)
        process.watch_count++;
    pthread_mutex_unlock(&process.lock);
    return error;
}

/* A handler that somebody installed on top of ours may call it, so ours stays then. */
static void uninstall(void)
{
    struct sigaction now;

    pthread_mutex_lock(&process.lock);
    process.watch_count--;
    if (process.watch_count == 0 && sigaction(SIGSEGV, NULL, &now) == 0 &&
        (now.sa_flags & SA_SIGINFO) != 0 && now.sa_sigaction == on_fault) {
        sigaction(SIGSEGV, &process.previous, NULL);
        process.is_installed = false;
    }
    pthread_mutex_unlock(&process.lock);
}

int tsuga_overflow_watch(const struct tsuga_stack_pool *pool, tsuga_overflow_name_fn *name,
                         void *context, struct tsuga_overflow_watch **out)
{
    struct tsuga_overflow_watch *watch;
    stack_t mine = {.ss_size = WATCH_BYTES};
    int error = pool->backing->map(WATCH_BYTES, &mine.ss_sp);

    if (error != 0)
        return error;
    watch = mine.ss_sp;
    *watch = (struct tsuga_overflow_watch){
        .magic = WATCH_MAGIC,
        .pool = pool,
        .name = name,
        .context = context,
    };
    error = sigaltstack(&mine, &watch->previous) == 0 ? 0 : -errno;
    if (error != 0)
        goto unmap;
    error = install();
    if (error != 0)
        goto restore;
    *out = watch;
    return 0;

restore:
    sigaltstack(&watch->previous, NULL);
unmap:
    pool->backing->unmap(watch, WATCH_BYTES);
    return error;
}

void tsuga_overflow_unwatch(struct tsuga_overflow_watch *watch)
{
    if (watch == NULL)
        return;
    uninstall();
    sigaltstack(&watch->previous, NULL);
    watch->magic = 0;
    watch->pool->backing->unmap(watch, WATCH_BYTES);
}
