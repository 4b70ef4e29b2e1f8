// The prediction cache at a size at which entries move and pages go back: invariants, references of outputs, budget.
// (What it answers is held against a Python twin in tests/property/test_prediction_cache_properties.py.)
#include <random>
#include <unordered_map>
#include <vector>

#include "cache_check.hpp"
#include "check.hpp"

namespace {

using clipper::CacheKey;
using clipper::FetchResult;
using clipper::Output;
using clipper::PredictionCache;

// Every output that a test makes, held by one reference of its own: what is left at the end must be that one.
class Outputs {
 public:
  ~Outputs() {
    for (Output* output : all_) {
      CHECK(output->references == 1);
      output->release();
    }
  }
  Output* make(uint32_t bytes) {
    all_.push_back(Output::create(nullptr, bytes));
    std::memset(all_.back()->text, static_cast<int>(all_.size() & 0xFF), bytes);
    return all_.back();
  }
  uint64_t held_by_others() const {
    uint64_t held = 0;
    for (const Output* output : all_) held += output->references - 1;
    return held;
  }

 private:
  std::vector<Output*> all_;
};

class Hash {
 public:
  Hash() : hash_(seed().data()) {}
  CacheKey operator()(uint64_t i) const { return hash_(1, 2, 1, &i, sizeof i); }

 private:
  static std::vector<unsigned char> seed() {
    std::mt19937 random(7);
    std::vector<unsigned char> bytes(clipper::KeyedHash::kSeedBytes);
    for (auto& byte : bytes) byte = static_cast<unsigned char>(random());
    return bytes;
  }
  clipper::KeyedHash hash_;
};

void check_whole(const PredictionCache& cache, uint64_t budget_bytes) {
  const char* broken = cache.broken_invariant();
  if (broken != nullptr) std::fprintf(stderr, "%s\n", broken);
  CHECK(broken == nullptr);
  CHECK(cache.memory_bytes() <= budget_bytes);
}

// Any sequence of calls: what a hit gives is what was last put under that key, and every reference is accounted for.
void test_random_calls_keep_invariants_and_references(uint32_t seed, uint64_t budget_bytes, uint64_t key_count) {
  const Hash hash;
  std::mt19937_64 random(seed);
  Outputs outputs;
  {
    PredictionCache cache(budget_bytes);
    std::unordered_map<uint64_t, Output*> last_put;
    std::vector<uint64_t> uids{1, 2, 3};
    uint32_t largest_output_bytes = 40;
    for (int step = 0; step < 60000; ++step) {
      const uint64_t i = random() % (random() % key_count + 1);  // small numbers are popular
      const CacheKey key = hash(i);
      const uint64_t now_us = static_cast<uint64_t>(step);
      Output* output = nullptr;
      uint32_t slot = 0;
      const FetchResult result = cache.fetch(key, now_us, &output, &slot);
      if (result == FetchResult::Hit) CHECK(output == last_put[i]);
      if (result == FetchResult::Join) CHECK(slot == static_cast<uint32_t>(i));
      if (result == FetchResult::Miss) cache.begin(key, uids[i % 3], static_cast<uint32_t>(i));
      if (random() % 8 != 0) {
        if (result != FetchResult::Hit) {
          last_put[i] = outputs.make(static_cast<uint32_t>(random() % largest_output_bytes));
          cache.put(key, last_put[i], uids[i % 3], random() % 4 == 0 ? now_us + random() % 5000 : 0);
        }
      } else if (random() % 2 == 0) {
        cache.abandon(key);
      }
      if (random() % 5000 == 0) {
        const size_t model = random() % 3;
        cache.remove_model(uids[model]);
        uids[model] += 3;
      }
      if (step % 20000 == 19999) largest_output_bytes *= 25;  // fewer and larger: entries close up, pages go back
      if (step % 2000 == 0) check_whole(cache, budget_bytes);
    }
    check_whole(cache, budget_bytes);
    CHECK(outputs.held_by_others() >= cache.counters().resident_entries);
    while (cache.reclaim(50)) {}
    CHECK(outputs.held_by_others() == cache.counters().resident_entries);
    const auto& counters = cache.counters();
    CHECK(counters.hits > 0 && counters.joins > 0 && counters.misses > 0 && counters.evictions > 0);
    CHECK(counters.hits + counters.joins + counters.misses == 60000);
  }
  CHECK(outputs.held_by_others() == 0);
}

void test_many_small_entries_make_way_for_few_large_ones_within_the_budget() {
  constexpr uint64_t kBudgetBytes = 4 << 20;
  const Hash hash;
  PredictionCache cache(kBudgetBytes);
  for (uint64_t i = 0; i < 100000; ++i) {
    Output* output = Output::create("1", 1);
    cache.put(hash(i), output, 1, 0);
    output->release();
  }
  check_whole(cache, kBudgetBytes);
  CHECK(cache.counters().resident_entries > 30000);
  for (uint64_t i = 100000; i < 101000; ++i) {
    Output* output = Output::create(nullptr, 20000);
    cache.put(hash(i), output, 1, 0);
    output->release();
    if (i % 50 == 0) check_whole(cache, kBudgetBytes);
  }
  check_whole(cache, kBudgetBytes);
  CHECK(cache.counters().resident_entries < 1000 && cache.counters().resident_bytes > 3 << 20);
}

// The version's entries are all dead at once, and freed a few at a time by the calls that follow.
void test_removal_of_a_version_is_not_a_walk_over_its_entries() {
  const Hash hash;
  Outputs outputs;
  {
    PredictionCache cache(8 << 20);
    for (uint64_t i = 0; i < 40000; ++i) cache.put(hash(i), outputs.make(1), 1, 0);
    CHECK(cache.counters().resident_entries == 40000);
    cache.remove_model(1);
    CHECK(cache.counters().resident_entries == 0 && cache.counters().resident_bytes == 0);
    CHECK(outputs.held_by_others() == 40000 - PredictionCache::kReclaimPerCall);
    check_whole(cache, 8 << 20);
    Output* output = nullptr;
    uint32_t slot = 0;
    CHECK(cache.fetch(hash(5), 0, &output, &slot) == FetchResult::Miss);
    for (uint64_t i = 0; i < 6000; ++i) cache.begin(hash(100000 + i), 2, 0);
    CHECK(outputs.held_by_others() == 0 && cache.counters().evictions == 0);
    check_whole(cache, 8 << 20);
  }
}

// Keys that all want the same place: slow, never wrong.
void test_equal_tags_are_told_apart() {
  Outputs outputs;  // outlives the cache
  PredictionCache cache(100000);
  std::vector<Output*> put;
  for (uint64_t i = 0; i < 300; ++i) {
    put.push_back(outputs.make(4));
    cache.put(CacheKey{i, 0xFFFFFFFF00000000u}, put.back(), 1, 0);
  }
  for (uint64_t i = 0; i < 300; i += 3) cache.put(CacheKey{i, 0xFFFFFFFF00000000u}, put[i] = outputs.make(40), 1, 1);
  for (uint64_t i = 0; i < 300; ++i) {
    Output* output = nullptr;
    uint32_t slot = 0;
    const FetchResult result = cache.fetch(CacheKey{i, 0xFFFFFFFF00000000u}, 1, &output, &slot);
    CHECK(result == (i % 3 == 0 ? FetchResult::Miss : FetchResult::Hit));
    CHECK(i % 3 == 0 || output == put[i]);
  }
  check_whole(cache, 100000);
}

// One call evicts a bounded number of entries, even for an output that would need far more gone.
void test_one_large_output_does_not_sweep_the_cache() {
  const Hash hash;
  PredictionCache cache(8 << 20);
  uint64_t i = 0;
  for (; cache.counters().evictions == 0; ++i) {
    Output* output = Output::create("1", 1);
    cache.put(hash(i), output, 1, 0);
    output->release();
  }
  Output* large = Output::create(nullptr, 1 << 20);
  const uint64_t before = cache.counters().evictions;
  cache.put(hash(i), large, 1, 0);
  CHECK(cache.counters().evictions - before == PredictionCache::kMaxEvictions);
  CHECK(cache.counters().refusals == 1);
  CHECK(large->references == 1);
  large->release();
  check_whole(cache, 8 << 20);
}

}  // namespace

int main() {
  for (uint32_t seed = 1; seed <= 3; ++seed) {
    test_random_calls_keep_invariants_and_references(seed, 3000, 100);
    test_random_calls_keep_invariants_and_references(seed, 100000, 3000);
    test_random_calls_keep_invariants_and_references(seed, 1 << 20, 40000);
  }
  test_many_small_entries_make_way_for_few_large_ones_within_the_budget();
  test_removal_of_a_version_is_not_a_walk_over_its_entries();
  test_equal_tags_are_told_apart();
  test_one_large_output_does_not_sweep_the_cache();
  return check::result();
}
