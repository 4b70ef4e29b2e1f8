// Nanoseconds per operation of the queue on one core, medians over rounds; "task" is a task's whole way through.
//
// g++ -O2 -std=c++17 -Iclipper/_core bench/micro/queue_bench.cpp -o queue_bench && ./queue_bench
#include <sys/mman.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "batch_queue.hpp"

using namespace clipper;

namespace {

constexpr uint32_t kSlots = 16384;
constexpr uint64_t kArenaBytes = 64u << 20;
constexpr int kRounds = 2000;

void* map_memory(size_t bytes) {
  void* memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) std::abort();
  return memory;
}

double now_ns() {
  return std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

double median(std::vector<double>& values) {
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2), values.end());
  return values[values.size() / 2];
}

// One row: `batch` tasks at a time with payloads of `bytes`, spread over `classes` SLO classes.
void measure(uint32_t batch, uint64_t bytes, uint32_t classes) {
  SlotPool* pool = SlotPool::create(map_memory(SlotPool::bytes_needed(kSlots, kArenaBytes)), kSlots, kArenaBytes);
  void* rings = map_memory(BatchQueue::bytes_needed(1, kSlots));
  BatchQueue::create(rings, 1, kSlots, 0);
  BatchQueue queue(rings, {pool}, 0, 0);
  std::vector<uint32_t> slots(batch);
  std::vector<SlotId> popped, dropped;
  std::vector<uint32_t> done;
  std::vector<double> acquire, push, pop, complete, drain, release, task;
  for (int round = 0; round < kRounds; ++round) {
    const double t0 = now_ns();
    for (uint32_t& slot : slots) slot = static_cast<uint32_t>(pool->acquire(bytes));
    const double t1 = now_ns();
    for (uint32_t i = 0; i < batch; ++i) {
      pool->set_deadlines(slots[i], 100 + i, 100 + i);
      queue.push(slots[i], 1000u << i % classes);
    }
    const double t2 = now_ns();
    queue.pop_batch(batch, 0, FinishEstimate{}, popped, dropped);
    const double t3 = now_ns();
    for (SlotId slot : popped) queue.complete(slot, 1);
    const double t4 = now_ns();
    done.clear();
    pool->drain_completed(done);
    const double t5 = now_ns();
    for (uint32_t slot : done) pool->release(slot);
    const double t6 = now_ns();
    const double per = 1.0 / batch;
    acquire.push_back((t1 - t0) * per);
    push.push_back((t2 - t1) * per);
    pop.push_back((t3 - t2) * per);
    complete.push_back((t4 - t3) * per);
    drain.push_back((t5 - t4) * per);
    release.push_back((t6 - t5) * per);
    task.push_back((t6 - t0) * per);
  }
  std::printf("%6u %8llu %8u %9.1f %7.1f %7.1f %10.1f %7.1f %9.1f %7.1f\n", batch,
              static_cast<unsigned long long>(bytes), classes, median(acquire), median(push), median(pop),
              median(complete), median(drain), median(release), median(task));
}

void measure_empty_pop() {
  SlotPool* pool = SlotPool::create(map_memory(SlotPool::bytes_needed(kSlots, kArenaBytes)), kSlots, kArenaBytes);
  void* rings = map_memory(BatchQueue::bytes_needed(1, kSlots));
  BatchQueue::create(rings, 1, kSlots, 0);
  BatchQueue queue(rings, {pool}, 0, 0);
  std::vector<SlotId> popped, dropped;
  constexpr int kCalls = 1000000;
  const double start = now_ns();
  for (int i = 0; i < kCalls; ++i) queue.pop_batch(64, 0, FinishEstimate{}, popped, dropped);
  std::printf("pop of an empty queue: %.1f ns\n", (now_ns() - start) / kCalls);
}

}  // namespace

int main() {
  std::printf("ns per task; 16,384 slots, 64 MiB arena, one worker (a clock read costs about 25 ns: see batch 1)\n");
  std::printf("%6s %8s %8s %9s %7s %7s %10s %7s %9s %7s\n", "batch", "bytes", "classes", "acquire", "push", "pop",
              "complete", "drain", "release", "task");
  for (uint32_t batch : {1u, 16u, 128u, 1024u, 8000u}) measure(batch, 32, 1);
  measure(128, 6272, 1);
  measure(128, 32, 4);
  measure(128, 32, 16);
  measure_empty_pop();
  return 0;
}
