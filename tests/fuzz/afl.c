/*
 * What AFL++ starts in place of libFuzzer's main: hands each input to the target that it is linked
 * with. The process lives for many inputs; AFL++ sees how one ends by its signal.
 *
 *     target < INPUT
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#define INPUT_BYTES_MAX (64u << 10)
#define INPUTS_MAX      10000u

/* Compiled by anything but AFL++ the program takes one input. */
#ifndef __AFL_LOOP
#define __AFL_LOOP(count) (count == inputs_left)
#endif

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static size_t read_input(uint8_t *data)
{
    size_t bytes = 0;
    ssize_t got;

    while (bytes < INPUT_BYTES_MAX &&
           (got = read(STDIN_FILENO, data + bytes, INPUT_BYTES_MAX - bytes)) > 0)
        bytes += (size_t)got;
    return bytes;
}

int main(void)
{
    /* AddressSanitizer finds a look behind the input's end only where its memory ends. */
    uint8_t *room = malloc(INPUT_BYTES_MAX);
    unsigned inputs_left = INPUTS_MAX;

    if (room == NULL)
        return EXIT_FAILURE;
    /* The macro of AFL++ is a statement in brackets. */
    while (__extension__ __AFL_LOOP(INPUTS_MAX)) {
        size_t bytes = read_input(room);
        uint8_t *data = malloc(bytes + (bytes == 0));

        if (data == NULL)
            return EXIT_FAILURE;
        for (size_t i = 0; i < bytes; i++)
            data[i] = room[i];
        (void)LLVMFuzzerTestOneInput(data, bytes);
        free(data);
        inputs_left--;
    }
    free(room);
    return EXIT_SUCCESS;
}
