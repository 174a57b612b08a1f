#include "runtime/base/list.h"

#include "tests/support/test.h"

TEST(list, keeps_the_order_of_both_ends)
{
    struct tsuga_list_node list;
    struct tsuga_list_node nodes[3];

    tsuga_list_init(&list);
    CHECK(tsuga_list_is_empty(&list));
    CHECK_PTR(tsuga_list_pop_front(&list), NULL);
    tsuga_list_push_back(&list, &nodes[1]);
    tsuga_list_push_back(&list, &nodes[2]);
    tsuga_list_push_front(&list, &nodes[0]);
    for (unsigned i = 0; i < 3; i++)
        CHECK_PTR(tsuga_list_pop_front(&list), &nodes[i]);
    CHECK(tsuga_list_is_empty(&list));
}

TEST(list, removes_from_the_middle_and_twice)
{
    struct tsuga_list_node list;
    struct tsuga_list_node nodes[3];
    unsigned seen_count = 0;

    tsuga_list_init(&list);
    for (unsigned i = 0; i < 3; i++)
        tsuga_list_push_back(&list, &nodes[i]);
    tsuga_list_remove(&nodes[1]);
    tsuga_list_remove(&nodes[1]);
    CHECK(!tsuga_list_is_linked(&nodes[1]));
    CHECK(tsuga_list_is_linked(&nodes[0]));
    TSUGA_LIST_EACH (node, &list)
        CHECK_PTR(node, &nodes[2 * seen_count++]);
    CHECK_UINT(seen_count, 2);
}
