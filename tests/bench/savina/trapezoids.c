/*
 * An integral by many workers that share nothing: what one executor can do and two can do together.
 * A tenth of the suite's ten million pieces, so that there is time for many runs.
 */
#include <math.h>
#include <string.h>

#include "tests/bench/savina/savina.h"
#include "tests/bench/support.h"

#define WORKER_COUNT 100u
#define PIECE_COUNT  1000000u
#define LEFT         1.0
#define RIGHT        5.0
#define STEP         ((RIGHT - LEFT) / PIECE_COUNT)

/* What the integral is, and how far from it a sum of so many pieces may be. */
#define AREA  0.27108075
#define ERROR 0.0000001

struct worker {
    struct tsuga_id root;
    uint32_t index;
};

static double height(double x)
{
    return sin(pow(x, 3) - 1) / (x + 1) * sqrt(1 + exp(sqrt(2 * x)));
}

static void work(struct tsuga_actor *self, const struct tsuga_message *message)
{
    const struct worker *worker = savina_player(self);
    uint32_t piece = worker->index * (PIECE_COUNT / WORKER_COUNT);
    double area = 0;

    (void)message;
    for (uint32_t i = 0; i < PIECE_COUNT / WORKER_COUNT; i++, piece++)
        area += (height(LEFT + piece * STEP) + height(LEFT + (piece + 1) * STEP)) / 2 * STEP;
    tsuga_bench_require("tsuga_send", tsuga_send(self, worker->root, 0, &area, sizeof(area)));
    tsuga_exit(self, TSUGA_NORMAL);
}

static double collect(struct tsuga_actor *self)
{
    double sum = 0;

    for (uint32_t i = 0; i < WORKER_COUNT; i++) {
        const struct tsuga_message *message;
        double area;

        tsuga_bench_require("tsuga_receive", tsuga_receive(self, NULL, TSUGA_FOREVER, &message));
        memcpy(&area, tsuga_message_data(message), sizeof(area));
        sum += area;
    }
    return sum;
}

static void run(struct tsuga_actor *self, void *argument)
{
    struct worker workers[WORKER_COUNT];

    (void)argument;
    for (uint32_t i = 0; i < WORKER_COUNT; i++) {
        workers[i] = (struct worker){tsuga_self(self), i};
        savina_send(self, savina_spawn(self, work, &workers[i]), 0);
    }
    savina_expect("whether the area is right", fabs(collect(self) - AREA) < ERROR, 1);
}

const struct savina_case savina_trapezoids = {
    "trapezoids", "100 workers, 1000000 pieces", "piece", PIECE_COUNT, 0, run};
