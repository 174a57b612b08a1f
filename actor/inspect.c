/* What users may ask of a message. Completions are the executor's: see executor/receive.c. */
#include "actor/actor.h"
#include "mailbox/bulletin.h"

static const struct tsuga_letter *letter_of(const struct tsuga_message *message)
{
    return (const struct tsuga_letter *)(const void *)message; /* the head is its first field */
}

static bool has_letter(const struct tsuga_message *message)
{
    return message->type == TSUGA_TYPE_USER || message->type == TSUGA_TYPE_REPLY;
}

enum tsuga_message_kind tsuga_message_kind(const struct tsuga_message *message)
{
    if (message->type == TSUGA_TYPE_PIECE)
        return TSUGA_MESSAGE_COMPLETION;
    if (message->type == TSUGA_TYPE_UNANSWERED)
        return TSUGA_MESSAGE_REPLY;
    return (enum tsuga_message_kind)message->type;
}

uint64_t tsuga_message_tag(const struct tsuga_message *message)
{
    return message->tag;
}

const void *tsuga_message_data(const struct tsuga_message *message)
{
    if (!has_letter(message))
        return NULL;
    if ((message->flags & TSUGA_MESSAGE_BULLETIN) != 0)
        return ((const struct tsuga_bulletin *)letter_of(message)->attachment)->data;
    return letter_of(message)->payload;
}

size_t tsuga_message_bytes(const struct tsuga_message *message)
{
    return has_letter(message) ? letter_of(message)->payload_bytes : 0;
}

struct tsuga_id tsuga_message_from(const struct tsuga_message *message)
{
    return has_letter(message) ? letter_of(message)->from : (struct tsuga_id){0};
}
