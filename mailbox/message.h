/*
 * The message header, intrusive in whatever carries a message: a user's bytes, an operation record,
 * a system node.
 *
 * Owner: the sender until it is posted, then the receiver's mailbox, then the receiving actor.
 * Thread: whoever owns it.
 */
#ifndef TSUGA_MAILBOX_MESSAGE_H
#define TSUGA_MAILBOX_MESSAGE_H

#include <stdint.h>

#include <tsuga.h>

/* The order in which lanes are looked at. */
enum tsuga_lane { TSUGA_LANE_SYSTEM, TSUGA_LANE_COMPLETION, TSUGA_LANE_USER, TSUGA_LANE_COUNT };

/* What a message is; the first six are those of enum tsuga_message_kind. */
enum tsuga_message_type {
    TSUGA_TYPE_USER = TSUGA_MESSAGE_USER,
    TSUGA_TYPE_COMPLETION = TSUGA_MESSAGE_COMPLETION,
    TSUGA_TYPE_STOP = TSUGA_MESSAGE_STOP,
    TSUGA_TYPE_DOWN = TSUGA_MESSAGE_DOWN,   /* whom a monitor watches has ended */
    TSUGA_TYPE_EXIT = TSUGA_MESSAGE_EXIT,   /* a linked actor has ended */
    TSUGA_TYPE_REPLY = TSUGA_MESSAGE_REPLY, /* to a request; a letter */
    TSUGA_TYPE_UNANSWERED,                  /* the same, because whom it was for has ended */
    TSUGA_TYPE_TIE,                         /* a monitor or a link is asked for */
    TSUGA_TYPE_UNTIE,                       /* and given up */
    TSUGA_TYPE_WATCH,                       /* a port is given its end of a monitor */
    TSUGA_TYPE_PIECE,       /* a completion of a stream: only ever an actor's current message */
    TSUGA_TYPE_ROOM_WANTED, /* a sender waits for room in the receiver's mailbox */
    TSUGA_TYPE_ROOM,        /* the answer: try again */
    TSUGA_TYPE_GIFT,        /* a descriptor for its new owner */
};

/* Bits of tsuga_message.flags. */
enum {
    TSUGA_MESSAGE_KEPT = 1 << 0,     /* by tsuga_message_keep() */
    TSUGA_MESSAGE_COUNTED = 1 << 1,  /* takes room in a mailbox */
    TSUGA_MESSAGE_ATTACHED = 1 << 2, /* the letter has an attachment */
    TSUGA_MESSAGE_ADMITTED = 1 << 3, /* a full mailbox does not refuse it */
    TSUGA_MESSAGE_REQUEST = 1 << 4,  /* `attachment` is the number of a request */
    TSUGA_MESSAGE_BULLETIN = 1 << 5, /* `attachment` is a bulletin, in which the payload lies */
};

struct tsuga_message {
    struct tsuga_message *next;
    uint64_t tag;
    uint32_t to_generation; /* of the receiver; a successor in its slot must not see it */
    uint8_t lane;           /* enum tsuga_lane */
    uint8_t type;           /* enum tsuga_message_type */
    uint8_t flags;          /* TSUGA_MESSAGE_* bits */
    uint8_t hold_count;     /* of an operation record: cancels that still name it */
};

/* A message with bytes of its own, or a system node. */
struct tsuga_letter {
    struct tsuga_message head;
    struct tsuga_id from;
    uint32_t payload_bytes;
    uint32_t alloc_bytes;    /* of the whole allocation, so that it can be given back */
    void *attachment;        /* the sender's affair, and whoever's who discards the letter */
    unsigned char payload[]; /* aligned to 16 */
};

_Static_assert(sizeof(struct tsuga_message) == 24, "operation records count on it");
_Static_assert(sizeof(void *) == 8, "operation records and letters count on it");
_Static_assert(offsetof(struct tsuga_letter, payload) == 48, "payload is aligned to 16");

#endif
