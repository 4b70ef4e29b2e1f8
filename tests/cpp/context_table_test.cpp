// The table of contexts where Python does not look: every value that was put in comes out once (run under the address
// sanitizer). What it keeps and what makes room is held against a twin in tests/property/test_context_plans.py.
#include "context_table.hpp"

#include <random>
#include <set>
#include <string>
#include <vector>

#include "check.hpp"

namespace {

using clipper::ContextTable;

int is_even(void* value, void*) { return *static_cast<int*>(value) % 2 == 0; }

void test_every_value_leaves_the_table_exactly_once(uint32_t seed) {
  std::mt19937 random(seed);
  ContextTable table(random() % 6);
  std::set<void*> inside;
  auto take = [&](void* value) {
    if (value != nullptr) CHECK(inside.erase(value) == 1);
    delete static_cast<int*>(value);
  };
  for (int step = 0; step < 300; ++step) {
    // Long ones, too: a short text lies in the string object itself, and the look-up has a view of it.
    const std::string context(1 + random() % 3 * 20, static_cast<char>('a' + random() % 8));
    switch (random() % 8) {
      case 0: take(table.remove(context)); break;
      case 1: take(table.take_last()); break;
      case 2:
        table.set_limit(random() % 6);
        while (table.is_over()) take(table.take_last());
        break;
      case 3: {
        std::vector<void*> dropped;
        table.sift(is_even, nullptr, dropped);
        for (void* value : dropped) take(value);
        break;
      }
      case 4: CHECK(table.find(context) == nullptr || inside.count(table.find(context)) == 1); break;
      default: {
        auto* value = new int(static_cast<int>(random() % 100));
        inside.insert(value);
        take(table.put(context, value));
      }
    }
    CHECK(table.size() == inside.size());
  }
  while (table.size() > 0) take(table.take_last());
  CHECK(inside.empty() && table.take_last() == nullptr);
}

}  // namespace

int main() {
  for (uint32_t seed = 1; seed <= 100; ++seed) test_every_value_leaves_the_table_exactly_once(seed);
  return check::result();
}
