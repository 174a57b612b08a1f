#include "runtime/sim/claims.h"

#include <linux/openat2.h>
#include <linux/time_types.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "runtime/base/assert.h"
#include "runtime/base/sanitize.h"

#define FIRST_COUNT 64u

void tsuga_claims_init(struct tsuga_claims *claims, struct tsuga_schedule *schedule,
                       const struct tsuga_memory *memory, uint64_t seed)
{
    *claims = (struct tsuga_claims){.schedule = schedule, .memory = memory, .random.state = seed};
}

static void free_order(const struct tsuga_claims *claims, struct tsuga_claim_order *order)
{
    tsuga_memory_free(claims->memory, order->claims,
                      order->count_max * sizeof(struct tsuga_claim *));
}

void tsuga_claims_fini(struct tsuga_claims *claims)
{
    free_order(claims, &claims->shared);
    free_order(claims, &claims->exclusive);
}

static void fail(const struct tsuga_claims *claims, const char *what)
{
    claims->schedule->failed(claims->schedule->context, what);
}

/* Bytes. */

static uint64_t load(const char *from)
{
    uint64_t word;

    memcpy(&word, from, sizeof(word));
    return word;
}

static uint64_t hash(const char *base, size_t bytes)
{
    uint64_t sum = bytes;
    uint64_t last = 0;
    size_t at = 0;

    for (; at + sizeof(last) <= bytes; at += sizeof(last)) {
        sum = (sum ^ load(base + at)) * UINT64_C(0x9e3779b97f4a7c15);
        sum ^= sum >> 32;
    }
    memcpy(&last, base + at, bytes - at);
    return tsuga_random_mix(sum ^ last);
}

static uint64_t pattern(uint64_t seal, size_t at)
{
    return seal + at * UINT64_C(0x0101010101010101);
}

static void fill(struct tsuga_claim *claim, uint64_t seal)
{
    size_t at = 0;
    uint64_t word;

    claim->seal = seal;
    for (; at + sizeof(word) <= claim->bytes; at += sizeof(word)) {
        word = pattern(seal, at);
        memcpy(claim->base + at, &word, sizeof(word));
    }
    word = pattern(seal, at);
    memcpy(claim->base + at, &word, claim->bytes - at);
}

static bool is_filled(const struct tsuga_claim *claim)
{
    uint64_t difference = 0;
    size_t at = 0;

    for (; at + sizeof(uint64_t) <= claim->bytes; at += sizeof(uint64_t))
        difference |= load(claim->base + at) ^ pattern(claim->seal, at);
    if (at < claim->bytes) {
        uint64_t word = pattern(claim->seal, at);

        difference |= (uint64_t)memcmp(claim->base + at, &word, claim->bytes - at);
    }
    return difference == 0;
}

/* Orders. */

/* The first that does not begin before `base`. */
static uint32_t find(const struct tsuga_claim_order *order, const char *base)
{
    uint32_t low = 0;
    uint32_t high = order->count;

    while (low < high) {
        uint32_t middle = (low + high) / 2;

        if (order->claims[middle]->base < base)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool overlaps(const struct tsuga_claim_order *order, const struct tsuga_claim *claim)
{
    uint32_t at = find(order, claim->base);

    if (at < order->count && order->claims[at]->base < claim->base + claim->bytes)
        return true;
    while (at-- > 0 && order->claims[at]->base + order->longest > claim->base) {
        if (order->claims[at]->base + order->claims[at]->bytes > claim->base)
            return true;
    }
    return false;
}

static void insert(const struct tsuga_claims *claims, struct tsuga_claim_order *order,
                   struct tsuga_claim *claim)
{
    uint32_t at = find(order, claim->base);

    if (order->count == order->count_max) {
        uint32_t count_max = order->count_max == 0 ? FIRST_COUNT : 2 * order->count_max;
        struct tsuga_claim **larger =
            tsuga_memory_alloc(claims->memory, count_max * sizeof(struct tsuga_claim *));

        TSUGA_VERIFY(larger != NULL);
        if (order->count > 0)
            memcpy(larger, order->claims, order->count * sizeof(struct tsuga_claim *));
        free_order(claims, order);
        order->claims = larger;
        order->count_max = count_max;
    }
    memmove(order->claims + at + 1, order->claims + at,
            (order->count - at) * sizeof(struct tsuga_claim *));
    order->claims[at] = claim;
    order->count++;
    if (claim->bytes > order->longest)
        order->longest = claim->bytes;
}

static void take_out(struct tsuga_claim_order *order, const struct tsuga_claim *claim)
{
    uint32_t at = find(order, claim->base);

    while (at < order->count && order->claims[at] != claim)
        at++;
    TSUGA_VERIFY(at < order->count);
    order->count--;
    memmove(order->claims + at, order->claims + at + 1,
            (order->count - at) * sizeof(struct tsuga_claim *));
}

/* Single claims. */

void tsuga_claim_take(struct tsuga_claims *claims, struct tsuga_claim *claim)
{
    if (claim->bytes == 0)
        return;
    if (tsuga_sanitize_is_poisoned(claim->base, claim->bytes))
        fail(claims, "a request points to memory that is free");
    if (overlaps(&claims->exclusive, claim) ||
        (claim->kind != TSUGA_CLAIM_READ && overlaps(&claims->shared, claim)))
        fail(claims, "two requests own the same memory");
    insert(claims, claim->kind == TSUGA_CLAIM_READ ? &claims->shared : &claims->exclusive, claim);
    if (claim->kind == TSUGA_CLAIM_WRITE)
        fill(claim, tsuga_random_next(&claims->random));
    else
        claim->seal = hash(claim->base, claim->bytes);
}

static void look(const struct tsuga_claims *claims, const struct tsuga_claim *claim)
{
    if (tsuga_sanitize_is_poisoned(claim->base, claim->bytes))
        fail(claims, "memory was freed before the last result of its request");
    if (claim->kind == TSUGA_CLAIM_WRITE ? !is_filled(claim)
                                         : hash(claim->base, claim->bytes) != claim->seal)
        fail(claims, "somebody wrote into memory that belongs to the kernel");
}

void tsuga_claim_touch(struct tsuga_claims *claims, struct tsuga_claim *claim)
{
    if (claim->bytes == 0)
        return;
    look(claims, claim);
    if (claim->kind == TSUGA_CLAIM_WRITE)
        fill(claim, tsuga_random_next(&claims->random));
}

void tsuga_claim_give(struct tsuga_claims *claims, struct tsuga_claim *claim)
{
    if (claim->bytes == 0)
        return;
    look(claims, claim);
    take_out(claim->kind == TSUGA_CLAIM_READ ? &claims->shared : &claims->exclusive, claim);
    claim->bytes = 0;
}

/* Requests. */

static void add(const struct tsuga_claims *claims, struct tsuga_claim_set *set,
                enum tsuga_claim_kind kind, const void *base, size_t bytes)
{
    if (base == NULL || bytes == 0)
        return;
    if (set->count == set->count_max) {
        uint32_t count_max = set->count_max == 0 ? 2 : 4 * set->count_max;
        struct tsuga_claim *larger =
            tsuga_memory_alloc(claims->memory, count_max * sizeof(*larger));

        TSUGA_VERIFY(larger != NULL);
        if (set->count > 0)
            memcpy(larger, set->claims, set->count * sizeof(*larger));
        tsuga_memory_free(claims->memory, set->claims, set->count_max * sizeof(*larger));
        set->claims = larger;
        set->count_max = count_max;
    }
    set->claims[set->count++] =
        (struct tsuga_claim){.base = (char *)(uintptr_t)base, .bytes = bytes, .kind = kind};
}

static void add_path(const struct tsuga_claims *claims, struct tsuga_claim_set *set,
                     const char *path)
{
    if (path != NULL)
        add(claims, set, TSUGA_CLAIM_READ, path, strlen(path) + 1);
}

static void add_vectors(const struct tsuga_claims *claims, struct tsuga_claim_set *set,
                        const struct tsuga_ring_request *request)
{
    bool is_read = request->kind == TSUGA_RING_READV || request->kind == TSUGA_RING_READV_FIXED;
    enum tsuga_claim_kind kind = is_read ? TSUGA_CLAIM_WRITE : TSUGA_CLAIM_READ;
    const struct iovec *vectors = request->address;

    add(claims, set, TSUGA_CLAIM_READ, vectors, request->length * sizeof(*vectors));
    for (uint32_t i = 0; i < request->length; i++)
        add(claims, set, kind, vectors[i].iov_base, vectors[i].iov_len);
}

static void add_message(const struct tsuga_claims *claims, struct tsuga_claim_set *set,
                        const struct tsuga_ring_request *request)
{
    bool is_receive = request->kind == TSUGA_RING_RECVMSG;
    enum tsuga_claim_kind kind = is_receive ? TSUGA_CLAIM_WRITE : TSUGA_CLAIM_READ;
    const struct msghdr *header = request->address;

    add(claims, set, is_receive ? TSUGA_CLAIM_UPDATE : TSUGA_CLAIM_READ, header, sizeof(*header));
    add(claims, set, kind, header->msg_name, header->msg_namelen);
    add(claims, set, kind, header->msg_control, header->msg_controllen);
    add(claims, set, TSUGA_CLAIM_READ, header->msg_iov,
        header->msg_iovlen * sizeof(*header->msg_iov));
    for (size_t i = 0; i < header->msg_iovlen; i++)
        add(claims, set, kind, header->msg_iov[i].iov_base, header->msg_iov[i].iov_len);
}

static void add_accept(const struct tsuga_claims *claims, struct tsuga_claim_set *set,
                       const struct tsuga_ring_request *request)
{
    const socklen_t *bytes = request->address2;

    if (bytes == NULL)
        return;
    add(claims, set, TSUGA_CLAIM_UPDATE, bytes, sizeof(*bytes));
    add(claims, set, TSUGA_CLAIM_WRITE, request->address, *bytes);
}

/* The second address of those that have a path, and the attributes. */
static void add_path_kind(const struct tsuga_claims *claims, struct tsuga_claim_set *set,
                          const struct tsuga_ring_request *request)
{
    add_path(claims, set, request->address);
    switch (request->kind) {
    case TSUGA_RING_OPEN:
        add(claims, set, TSUGA_CLAIM_READ, request->address2, sizeof(struct open_how));
        break;
    case TSUGA_RING_STATX:
        add(claims, set, TSUGA_CLAIM_WRITE, request->address2, sizeof(struct statx));
        break;
    case TSUGA_RING_RENAME:
    case TSUGA_RING_LINK_PATH:
    case TSUGA_RING_SYMLINK:
        add_path(claims, set, request->address2);
        break;
    case TSUGA_RING_GET_XATTR:
    case TSUGA_RING_SET_XATTR:
        add_path(claims, set, request->address3);
        break;
    default:
        break;
    }
    if (request->kind == TSUGA_RING_GET_XATTR || request->kind == TSUGA_RING_FGET_XATTR)
        add(claims, set, TSUGA_CLAIM_WRITE, request->address2, request->length);
    if (request->kind == TSUGA_RING_SET_XATTR || request->kind == TSUGA_RING_FSET_XATTR)
        add(claims, set, TSUGA_CLAIM_READ, request->address2, request->length);
}

static void collect(const struct tsuga_claims *claims, struct tsuga_claim_set *set,
                    const struct tsuga_ring_request *request)
{
    switch (request->kind) {
    case TSUGA_RING_READ:
    case TSUGA_RING_READ_FIXED:
    case TSUGA_RING_RECV:
        if ((request->options & TSUGA_RING_SELECT) == 0)
            add(claims, set, TSUGA_CLAIM_WRITE, request->address, request->length);
        break;
    case TSUGA_RING_WRITE:
    case TSUGA_RING_WRITE_FIXED:
    case TSUGA_RING_SEND:
    case TSUGA_RING_SEND_ZC:
    case TSUGA_RING_SEND_ZC_FIXED:
    case TSUGA_RING_BIND:
    case TSUGA_RING_CONNECT:
        add(claims, set, TSUGA_CLAIM_READ, request->address, request->length);
        break;
    case TSUGA_RING_READV:
    case TSUGA_RING_READV_FIXED:
    case TSUGA_RING_WRITEV:
    case TSUGA_RING_WRITEV_FIXED:
        add_vectors(claims, set, request);
        break;
    case TSUGA_RING_RECVMSG:
    case TSUGA_RING_SENDMSG:
        add_message(claims, set, request);
        break;
    case TSUGA_RING_RECVMSG_MULTI: /* of which the kernel wants two lengths */
        add(claims, set, TSUGA_CLAIM_READ, request->address, sizeof(struct msghdr));
        break;
    case TSUGA_RING_ACCEPT:
        add_accept(claims, set, request);
        break;
    case TSUGA_RING_TIMEOUT:
    case TSUGA_RING_UPDATE:
        add(claims, set, TSUGA_CLAIM_READ, request->address, sizeof(struct __kernel_timespec));
        break;
    case TSUGA_RING_WAITID:
        add(claims, set, TSUGA_CLAIM_WRITE, request->address2, sizeof(siginfo_t));
        break;
    case TSUGA_RING_RAW:
        add(claims, set, TSUGA_CLAIM_READ, request->address, sizeof(struct tsuga_raw));
        break;
    case TSUGA_RING_OPEN:
    case TSUGA_RING_STATX:
    case TSUGA_RING_RENAME:
    case TSUGA_RING_LINK_PATH:
    case TSUGA_RING_UNLINK:
    case TSUGA_RING_MKDIR:
    case TSUGA_RING_SYMLINK:
    case TSUGA_RING_GET_XATTR:
    case TSUGA_RING_SET_XATTR:
    case TSUGA_RING_FGET_XATTR:
    case TSUGA_RING_FSET_XATTR:
        add_path_kind(claims, set, request);
        break;
    default:
        break;
    }
}

void tsuga_claims_take(struct tsuga_claims *claims, const struct tsuga_ring_request *request,
                       struct tsuga_claim_set *set)
{
    set->count = 0;
    collect(claims, set, request);
    for (uint32_t i = 0; i < set->count; i++)
        tsuga_claim_take(claims, &set->claims[i]);
}

void tsuga_claims_touch(struct tsuga_claims *claims, struct tsuga_claim_set *set)
{
    for (uint32_t i = 0; i < set->count; i++)
        tsuga_claim_touch(claims, &set->claims[i]);
}

void tsuga_claims_give(struct tsuga_claims *claims, struct tsuga_claim_set *set)
{
    for (uint32_t i = 0; i < set->count; i++)
        tsuga_claim_give(claims, &set->claims[i]);
    set->count = 0;
}
