#include "runtime/base/bits.h"

#include "tests/support/test.h"

TEST(bits, knows_the_powers_of_two)
{
    for (unsigned k = 0; k < 64; k++) {
        uint64_t power = UINT64_C(1) << k;

        CHECK(tsuga_bits_is_power_of_two(power));
        CHECK_UINT(tsuga_bits_lowest(power), k);
        CHECK(k < 2 || !tsuga_bits_is_power_of_two(power - 1));
        CHECK(k < 1 || k == 63 || !tsuga_bits_is_power_of_two(power + 1));
    }
    CHECK(!tsuga_bits_is_power_of_two(0));
}

TEST(bits, logarithms_round_down_and_up)
{
    CHECK_UINT(tsuga_bits_log2_ceil(1), 0);
    for (unsigned k = 2; k < 64; k++) {
        uint64_t power = UINT64_C(1) << k;

        CHECK_UINT(tsuga_bits_log2_floor(power - 1), k - 1);
        CHECK_UINT(tsuga_bits_log2_floor(power), k);
        CHECK_UINT(tsuga_bits_log2_ceil(power - 1), k);
        CHECK_UINT(tsuga_bits_log2_ceil(power), k);
        CHECK_UINT(tsuga_bits_power_of_two_ceil(power - 1), power);
        CHECK(k == 63 || tsuga_bits_log2_ceil(power + 1) == k + 1);
    }
}

TEST(bits, rounds_to_multiples)
{
    CHECK_UINT(tsuga_bits_round_up(0, 64), 0);
    CHECK_UINT(tsuga_bits_round_up(1, 64), 64);
    CHECK_UINT(tsuga_bits_round_up(64, 64), 64);
    CHECK_UINT(tsuga_bits_round_up(65, 64), 128);
    CHECK_UINT(tsuga_bits_round_down(63, 64), 0);
    CHECK_UINT(tsuga_bits_round_down(64, 64), 64);
    CHECK_UINT(tsuga_bits_round_down(127, 64), 64);
}

TEST(bits, finds_the_struct_around_a_member)
{
    struct outer {
        char before[3];
        uint64_t member;
    } outer;

    CHECK_PTR(TSUGA_CONTAINER_OF(&outer.member, struct outer, member), &outer);
}
