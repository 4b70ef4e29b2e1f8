// What the cache hop costs: hash by input size, hit, and the whole miss path at a full cache; the longest single call.
//   g++ -std=c++17 -O2 -DNDEBUG -Iclipper/_core bench/micro/cache_bench.cpp -o /tmp/cache_bench && /tmp/cache_bench
// Each figure is the lower quartile of many short rounds, most of which nothing else interrupts. Single calls are timed
// by the thread's CPU clock (about 0.3 us of each is the clock's own), which does not run while others have the core.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <random>
#include <vector>

#include "prediction_cache.hpp"

namespace {

using namespace clipper;
using Clock = std::chrono::steady_clock;

constexpr uint64_t kBudgetBytes = 32u << 20;

KeyedHash make_hash() {
  std::mt19937_64 random(1);
  std::vector<unsigned char> seed(KeyedHash::kSeedBytes);
  for (auto& byte : seed) byte = static_cast<unsigned char>(random());
  return KeyedHash(seed.data());
}

double cpu_ns() {
  timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

template <typename Body>
double quartile_ns(int rounds, int calls_per_round, Body&& body) {
  std::vector<double> each(static_cast<size_t>(rounds));
  for (double& ns : each) {
    const auto start = Clock::now();
    for (int i = 0; i < calls_per_round; ++i) body();
    ns = std::chrono::duration<double, std::nano>(Clock::now() - start).count() / calls_per_round;
  }
  std::sort(each.begin(), each.end());
  return each[each.size() / 4];
}

// Each input depends on the key before it, so that no two computations overlap: latency, not throughput.
void hash_by_size(const KeyedHash& hash) {
  std::vector<char> data(1 << 16, 3);
  for (size_t bytes : {8, 32, 64, 256, 1024, 6272, 65536}) {
    uint64_t last = 0;
    const double ns = quartile_ns(400, bytes > 4096 ? 20 : 500, [&] {
      std::memcpy(data.data(), &last, sizeof last);
      last = hash(1, 2, bytes / 8, data.data(), bytes).low;
    });
    std::printf("hash %6zu B   %8.1f ns\n", bytes, ns);
  }
}

// Inputs of 32 bytes, chosen at random among those resident.
void hits(const KeyedHash& hash, uint64_t resident) {
  PredictionCache cache(kBudgetBytes);
  uint64_t input[4] = {};
  for (uint64_t i = 0; i < resident; ++i) {
    input[0] = i;
    Output* output = Output::create("3", 1);
    cache.put(hash(1, 2, 4, input, sizeof input), output, 1, 0);
    output->release();
  }
  uint64_t random = 1, text = 0;
  const double ns = quartile_ns(2000, 500, [&] {
    random = random * 6364136223846793005u + 1442695040888963407u;
    input[0] = (random >> 33) % resident;
    Output* output = nullptr;
    uint32_t slot = 0;
    if (cache.fetch(hash(1, 2, 4, input, sizeof input), 1, &output, &slot) == FetchResult::Hit) text += output->text[0];
  });
  std::printf("hash 32 B + hit, %6llu resident   %6.1f ns   (hits %.3f)\n", static_cast<unsigned long long>(resident), ns,
              static_cast<double>(text) / '3' / 1e6);
}

// Unique inputs at a full cache: hash, miss, mark, put, eviction; and each call by itself, for the longest.
void misses(const KeyedHash& hash) {
  PredictionCache cache(kBudgetBytes);
  uint64_t input[4] = {};
  Output* output = nullptr;
  uint32_t slot = 0;
  const auto query = [&] {
    ++input[0];
    const CacheKey key = hash(1, 2, 4, input, sizeof input);
    if (cache.fetch(key, 1, &output, &slot) != FetchResult::Miss) std::abort();
    cache.begin(key, 1, 7);
    Output* fresh = Output::create("3", 1);
    cache.put(key, fresh, 1, 0);
    fresh->release();
  };
  std::printf("miss + begin + put, filling       %6.1f ns\n", quartile_ns(400, 500, query));
  quartile_ns(400, 500, query);
  std::printf("miss + begin + put + evict, full  %6.1f ns   (%llu resident)\n", quartile_ns(2000, 500, query),
              static_cast<unsigned long long>(cache.counters().resident_entries));
  std::vector<double> each(1000000);
  for (double& ns : each) {
    const double start_ns = cpu_ns();
    query();
    ns = cpu_ns() - start_ns;
  }
  std::sort(each.begin(), each.end());
  std::printf("one such query: p50 %.0f ns, p99.9 %.0f ns, p99.999 %.1f us, longest %.1f us\n", each[500000], each[999000],
              each[999990] / 1e3, each.back() / 1e3);
}

// The calls that do the most work at once, at a full cache.
void longest_calls(const KeyedHash& hash) {
  PredictionCache cache(kBudgetBytes);
  Output* small = Output::create("3", 1);
  Output* output = nullptr;
  uint32_t slot = 0;
  for (uint64_t i = 0; i < 400000; ++i) cache.put(hash(1, 2, 1, &i, sizeof i), small, 1 + i % 2, 0);
  for (uint64_t i = 0; i < 400000; ++i) {  // everything has been asked for again: every eviction meets second chances
    for (int n = 0; n < 3; ++n) cache.fetch(hash(1, 2, 1, &i, sizeof i), 1, &output, &slot);
  }
  Output* large = Output::create(nullptr, 1 << 20);
  uint64_t key = 1u << 30;
  double start_ns = cpu_ns();
  cache.put(hash(1, 2, 1, &key, sizeof key), large, 1, 0);
  std::printf("put of 1 MiB at a full cache, everything hit before   %6.1f us\n", (cpu_ns() - start_ns) / 1e3);
  start_ns = cpu_ns();
  cache.remove_model(1);
  std::printf("remove_model with 100,000 entries                     %6.1f us\n", (cpu_ns() - start_ns) / 1e3);
  small->release();
  large->release();
}

long resident_kib() {
  long kib = 0;
  char line[256];
  std::FILE* status = std::fopen("/proc/self/status", "r");
  while (status != nullptr && std::fgets(line, sizeof line, status) != nullptr) std::sscanf(line, "VmRSS: %ld", &kib);
  if (status != nullptr) std::fclose(status);
  return kib;
}

void memory(const KeyedHash& hash) {
  const long before_kib = resident_kib();
  PredictionCache cache(kBudgetBytes);
  const auto ask = [&](uint64_t first, uint64_t count, uint32_t output_bytes) {
    for (uint64_t i = first; i < first + count; ++i) {
      Output* output = Output::create(nullptr, output_bytes);
      std::memset(output->text, '1', output_bytes);
      cache.put(hash(1, 2, 1, &i, sizeof i), output, 1, 0);
      output->release();
    }
    std::printf("after %8llu unique inputs, %5u B outputs: RSS +%.1f MiB of a budget of 32, %llu resident\n",
                static_cast<unsigned long long>(count), output_bytes, static_cast<double>(resident_kib() - before_kib) / 1024,
                static_cast<unsigned long long>(cache.counters().resident_entries));
  };
  ask(0, 10000000, 1);
  ask(10000000, 100000, 10000);
  ask(20000000, 1000000, 1);
}

}  // namespace

int main() {
  const KeyedHash hash = make_hash();
  memory(hash);
  hash_by_size(hash);
  hits(hash, 1000);
  hits(hash, 200000);
  misses(hash);
  longest_calls(hash);
}
