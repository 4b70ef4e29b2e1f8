// Runs operations of the core with a mark before and behind each, for callgrind: instructions_per_operation.py.
//
// The mark is a call of getsid, which nothing else makes and at which callgrind writes out what it has counted. Prints
// a line "name operations" for each, in order: what lies between the two marks is so many operations, warm.
#include <unistd.h>

#include "operations.hpp"

using namespace bench;

namespace {

template <typename Body>
void count(const char* name, int calls, uint32_t operations_a_call, Body&& body) {
  for (int i = 0; i < calls; ++i) body();  // capacities have grown, the allocator has what it needs
  ::getsid(0);
  for (int i = 0; i < calls; ++i) body();
  ::getsid(0);
  std::printf("%s %d\n", name, calls * static_cast<int>(operations_a_call));
}

}  // namespace

int main() {
  const InputSpec doubles{InputType::Doubles, DType::Float64, 0, {}}, strings{InputType::Strings, DType::String, 0, {}};
  count("encode_predict", 200, 1, PredictEncoder(doubles, 32, 32, false));
  count("encode_predict_ragged", 200, 1, PredictEncoder(strings, 32, 32, true));
  count("decode_integer", 50, 32, ResultDecoding::of<int64_t>(DType::Int64, 32, 1, 0, 1));
  count("decode_double", 50, 32, ResultDecoding::of<double>(DType::Float64, 32, 1, 0.1, 0.377));
  count("decode_vector_of_10", 20, 32, ResultDecoding::of<float>(DType::Float32, 32, 10, 0.1f, 0.037f));
  count("decode_json", 50, 32, ResultDecoding::of_texts(DType::Json, 32, "{\"label\": \"cat\", \"score\": 0.25}"));
  count("parse_4_doubles", 500, 1, BodyParsing(4));
  count("parse_784_doubles", 10, 1, BodyParsing(784));
  count("cache_hit", 1000, 1, CacheLookup(true));
  count("cache_miss", 1000, 1, CacheLookup(false));
  QueueWorld world(1);
  QueueWorker worker(world.rings, world.pools, 0, 32);
  count("queue_task", 50, 32, [&] { worker.turn(); });
  expect(worker.idle() && worker.answered() == 2 * 50 * 32, "every task is answered");
  return 0;
}
