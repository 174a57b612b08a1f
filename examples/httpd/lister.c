/* The lister: one directory at a time. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "examples/httpd/lister.h"
#include "examples/httpd/listing.h"
#include "examples/httpd/memory.h"

/* The job, and with it all that a thread touches, belongs to main()'s server and not to the actor:
 * a thread cannot be taken back, and may go on after the actor's end. */
static void answer(struct tsuga_actor *self, struct listing *listing,
                   const struct tsuga_message *message)
{
    const struct listing_wish *wish = tsuga_message_data(message);
    struct tsuga_id asker = tsuga_message_from(message);
    int fd = wish->fd;
    int error = tsuga_fd_release(self, fd); /* the job closes it */

    if (error == 0) {
        listing_begin(listing, fd, wish->title);
        error = tsuga_await(self, tsuga_blocking(self, listing_run, listing)).result;
    }
    if (error == 0)
        error = -listing->error;
    /* An empty answer says that there is none. The asker may have ended meanwhile. */
    (void)tsuga_send(self, asker, TAG_LISTED, listing->text, error == 0 ? listing->bytes : 0);
}

static void make_listings(struct tsuga_actor *self, void *argument)
{
    struct server *server = argument;
    const struct tsuga_message *message;
    bool is_stopping = false;
    int error;

    while (!is_stopping || atomic_load(&server->connection_count) > 0) {
        error = tsuga_receive(self, NULL, is_stopping ? STOP_POLL_NS : TSUGA_FOREVER, &message);
        if (error == -ETIMEDOUT)
            continue;
        if (error < 0)
            return;
        if (tsuga_message_kind(message) == TSUGA_MESSAGE_STOP)
            is_stopping = true;
        else
            answer(self, server->listing, message);
    }
}

int lister_spawn(struct server *server, struct tsuga_runtime *runtime)
{
    struct tsuga_spawn_options options = {
        .body = make_listings,
        .argument = server,
        .name = "lister",
        .placement = TSUGA_PLACE_LEAST_LOADED,
        .receives_stop = true,
    };

    return tsuga_spawn(runtime, &options, &server->lister);
}

int lister_ask(struct tsuga_actor *self, const struct server *server, int fd, const char *path,
               const struct tsuga_message **out)
{
    size_t title_bytes = strlen(path) + 2;
    struct listing_wish *wish = allocate(1, sizeof *wish + title_bytes);
    struct tsuga_select answers = {.user_only = true, .by_tag = true, .tag = TAG_LISTED};
    int error = tsuga_fd_give(self, fd, server->lister);

    wish->fd = fd;
    stpcpy(stpcpy(wish->title, "/"), path);
    if (error == 0)
        error = tsuga_send(self, server->lister, TAG_LIST, wish, sizeof *wish + title_bytes);
    else
        tsuga_forget(self, tsuga_close(self, fd));
    free(wish);
    if (error == 0)
        error = tsuga_receive(self, &answers, TSUGA_FOREVER, out);
    if (error == 0 && tsuga_message_bytes(*out) == 0)
        error = -EIO;
    return error;
}
