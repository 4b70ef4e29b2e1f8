// What the RPC codec costs: a PREDICT laid out, a RESULT decoded, by batch size and kind of output. Medians of many short
// rounds, in nanoseconds of this thread's CPU time for a batch and for an item of it.
//   g++ -std=c++17 -O2 -DNDEBUG -Iclipper/_core bench/micro/codec_bench.cpp -o /tmp/codec_bench && /tmp/codec_bench
#include <algorithm>
#include <ctime>

#include "operations.hpp"

using namespace bench;

namespace {

double cpu_ns() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

template <typename Body>
void time_batch(const char* name, uint32_t items, Body&& body) {
  constexpr int kRounds = 201;
  const int calls = std::max(1, 2000 / static_cast<int>(items));
  std::vector<double> rounds;
  for (int round = 0; round < kRounds; ++round) {
    const double start_ns = cpu_ns();
    for (int i = 0; i < calls; ++i) body();
    rounds.push_back((cpu_ns() - start_ns) / calls);
  }
  std::nth_element(rounds.begin(), rounds.begin() + kRounds / 2, rounds.end());
  std::printf("%-38s %6u items %12.0f ns %10.1f ns an item\n", name, items, rounds[kRounds / 2], rounds[kRounds / 2] / items);
}

}  // namespace

int main() {
  const InputSpec doubles{InputType::Doubles, DType::Float64, 0, {}}, strings{InputType::Strings, DType::String, 0, {}};
  const std::string small_object = "{\"label\": \"cat\", \"score\": 0.25}";
  for (uint32_t items : {1u, 32u, 512u}) {
    time_batch("PREDICT, doubles of one length", items, PredictEncoder(doubles, items, 6272, false));
    time_batch("PREDICT, strings (offsets)", items, PredictEncoder(strings, items, 100, true));
    time_batch("RESULT, int64", items, ResultDecoding::of<int64_t>(DType::Int64, items, 1, 0, 1));
    time_batch("RESULT, float64", items, ResultDecoding::of<double>(DType::Float64, items, 1, 0.1, 0.377));
    time_batch("RESULT, 10 float32 an item", items, ResultDecoding::of<float>(DType::Float32, items, 10, 0.1f, 0.037f));
    time_batch("RESULT, 1,000 float32 an item", items, ResultDecoding::of<float>(DType::Float32, items, 1000, 0.1f, 0.037f));
    time_batch("RESULT, JSON objects", items, ResultDecoding::of_texts(DType::Json, items, small_object));
    time_batch("RESULT, strings that are no JSON", items, ResultDecoding::of_texts(DType::String, items, "a cat, I think"));
  }
  return 0;
}
