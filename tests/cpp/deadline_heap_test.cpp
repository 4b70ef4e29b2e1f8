// The deadline heap against std::multimap under random insertions, removals, moves and firings.
#include "deadline_heap.hpp"

#include <cstdio>
#include <cstdlib>
#include <map>
#include <random>
#include <vector>

namespace {

struct Node {
  uint64_t fire_us = 0;
  uint32_t heap_index = clipper::DeadlineHeap<Node>::kNotInHeap;
};
using Heap = clipper::DeadlineHeap<Node>;
using Twin = std::multimap<uint64_t, Node*>;

#define CHECK(condition)                                                          \
  do {                                                                            \
    if (!(condition)) {                                                           \
      std::fprintf(stderr, "%s:%d: CHECK(%s)\n", __FILE__, __LINE__, #condition); \
      std::exit(1);                                                               \
    }                                                                             \
  } while (0)

void forget(Twin& twin, Node* node, uint64_t fire_us) {
  const auto range = twin.equal_range(fire_us);
  for (auto it = range.first; it != range.second; ++it) {
    if (it->second == node) {
      twin.erase(it);
      return;
    }
  }
  CHECK(!"node not in twin");
}

void fire_all(Heap& heap, Twin& twin, uint64_t now_us) {
  uint64_t last_us = 0;
  while (Node* node = heap.pop_due(now_us)) {
    CHECK(node->fire_us <= now_us && node->fire_us >= last_us);
    CHECK(node->fire_us == twin.begin()->first);
    CHECK(!Heap::contains(node));
    last_us = node->fire_us;
    forget(twin, node, node->fire_us);
  }
  CHECK(twin.empty() || twin.begin()->first > now_us);
}

void test_random_operations_agree_with_multimap(uint32_t seed, uint64_t spread_us, size_t node_count) {
  std::mt19937_64 random(seed);
  std::vector<Node> nodes(node_count);
  Heap heap;
  Twin twin;
  uint64_t now_us = 0;
  for (int step = 0; step < 60000; ++step) {
    Node* node = &nodes[random() % node_count];
    const uint64_t fire_us = now_us + random() % spread_us;
    switch (random() % 8) {
      case 0: case 1: case 2: case 3:
        if (Heap::contains(node)) forget(twin, node, node->fire_us);
        heap.insert(node, fire_us);
        twin.emplace(fire_us, node);
        break;
      case 4: case 5:
        if (Heap::contains(node)) forget(twin, node, node->fire_us);
        heap.remove(node);
        CHECK(!Heap::contains(node));
        break;
      case 6:
        if (Heap::contains(node)) {
          forget(twin, node, node->fire_us);
          heap.move(node, fire_us);
          twin.emplace(fire_us, node);
        }
        break;
      default:
        now_us += random() % (spread_us / 8 + 1);
        fire_all(heap, twin, now_us);
    }
    CHECK(heap.size() == twin.size() && heap.empty() == twin.empty());
    CHECK(heap.next_us() == (twin.empty() ? Heap::kNever : twin.begin()->first));
    CHECK(twin.empty() ? heap.peek() == nullptr : heap.peek()->fire_us == twin.begin()->first);
  }
  fire_all(heap, twin, UINT64_MAX);
  CHECK(heap.empty() && twin.empty());
}

void test_node_is_due_at_its_tick_and_not_one_before() {
  Heap heap;
  Node node;
  heap.insert(&node, 1000);
  CHECK(heap.pop_due(999) == nullptr);
  CHECK(heap.pop_due(1000) == &node);
  CHECK(heap.pop_due(1000) == nullptr && heap.next_us() == Heap::kNever);
}

void test_removal_of_fired_node_does_nothing() {
  Heap heap;
  Node fired, waiting;
  heap.insert(&fired, 1);
  heap.insert(&waiting, 2);
  CHECK(heap.pop_due(1) == &fired);
  heap.remove(&fired);
  CHECK(heap.size() == 1 && heap.next_us() == 2);
}

}  // namespace

int main() {
  test_node_is_due_at_its_tick_and_not_one_before();
  test_removal_of_fired_node_does_nothing();
  for (uint32_t seed = 1; seed <= 4; ++seed) {
    test_random_operations_agree_with_multimap(seed, 20000, 2000);
    test_random_operations_agree_with_multimap(seed, 4, 50);  // mostly ties
    test_random_operations_agree_with_multimap(seed, 1000, 2);
  }
  std::puts("deadline_heap_test: ok");
  return 0;
}
