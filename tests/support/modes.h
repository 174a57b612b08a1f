/*
 * The ways in which streams work, each forced by switching features off. A test of a stream runs in
 * every one of them:
 *
 *     TSUGA_MODES_EACH (mode)
 *         tsuga_world_run(&(struct tsuga_setup){.config = tsuga_mode_config(mode)}, body, NULL);
 *
 * Thread: any.
 */
#ifndef TSUGA_TESTS_MODES_H
#define TSUGA_TESTS_MODES_H

#include <tsuga.h>

enum tsuga_mode {
    TSUGA_MODE_FULL,
    TSUGA_MODE_NO_READ_MULTISHOT,
    TSUGA_MODE_NO_MULTISHOT,
    TSUGA_MODE_NO_BUFFER_RING,
    TSUGA_MODE_NEITHER,
    TSUGA_MODE_COUNT
};

#define TSUGA_MODES_EACH(mode)                                                                     \
    for (enum tsuga_mode mode = TSUGA_MODE_FULL; mode < TSUGA_MODE_COUNT; mode++)

static inline struct tsuga_config tsuga_mode_config(enum tsuga_mode mode)
{
    struct tsuga_config config = {.executor.threads = 1};

    if (mode == TSUGA_MODE_NO_READ_MULTISHOT)
        config.features[TSUGA_FEATURE_READ_MULTISHOT] = TSUGA_OFF;
    if (mode == TSUGA_MODE_NO_MULTISHOT || mode == TSUGA_MODE_NEITHER)
        config.features[TSUGA_FEATURE_MULTISHOT] = TSUGA_OFF;
    if (mode == TSUGA_MODE_NO_BUFFER_RING || mode == TSUGA_MODE_NEITHER)
        config.features[TSUGA_FEATURE_BUFFER_RING] = TSUGA_OFF;
    return config;
}

#endif
