// Tasks per second through one queue, by number of workers: threads of one process, then processes with shared memory.
//
// Each worker queues tasks of its own, claims a batch of whoever's come first, completes it, and drains its own answers:
// all hops of a task, with as much contention as there can be. Beside the rate stands what a task takes of the processors
// (all workers' CPU time over all tasks): with more workers than processors the rate can only stay, and this figure says
// what the contention itself costs.
//   g++ -std=c++17 -O2 -DNDEBUG -pthread -Iclipper/_core bench/micro/queue_workers_bench.cpp -o /tmp/queue_workers_bench
//   /tmp/queue_workers_bench [milliseconds a row, default 300 [workers ...]]
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "operations.hpp"

using namespace bench;

namespace {

constexpr uint32_t kBatch = 32;
using Clock = std::chrono::steady_clock;

struct Shared {  // in shared memory, zero at the start
  std::atomic<uint32_t> ready, go, stop;
  std::atomic<uint64_t> answered, cpu_ns;
};

uint64_t thread_cpu_ns() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1000000000u + static_cast<uint64_t>(now.tv_nsec);
}

void work(QueueWorld& world, Shared& shared, uint32_t number) {
  QueueWorker worker(world.rings, world.pools, number, kBatch);
  shared.ready.fetch_add(1);
  while (shared.go.load() == 0) std::this_thread::yield();
  const uint64_t start_ns = thread_cpu_ns();
  while (shared.stop.load(std::memory_order_relaxed) == 0) worker.turn();
  shared.cpu_ns.fetch_add(thread_cpu_ns() - start_ns);
  shared.answered.fetch_add(worker.answered());
}

void measure(const char* kind, uint32_t workers, bool as_processes, std::chrono::milliseconds duration) {
  QueueWorld world(workers);
  Shared& shared = *static_cast<Shared*>(map_shared(sizeof(Shared)));
  std::vector<std::thread> threads;
  std::vector<pid_t> children;
  for (uint32_t number = 0; number < workers; ++number) {
    if (!as_processes) {
      threads.emplace_back([&world, &shared, number] { work(world, shared, number); });
    } else if (const pid_t child = ::fork(); child == 0) {
      work(world, shared, number);
      ::_exit(0);
    } else {
      expect(child > 0, "a process can be started");
      children.push_back(child);
    }
  }
  while (shared.ready.load() != workers) std::this_thread::yield();
  const auto start = Clock::now();
  shared.go.store(1);
  std::this_thread::sleep_for(duration);
  shared.stop.store(1);
  const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
  for (std::thread& thread : threads) thread.join();
  for (pid_t child : children) {
    int status = 0;
    ::waitpid(child, &status, 0);
    expect(WIFEXITED(status) && WEXITSTATUS(status) == 0, "every worker ended well");
  }
  const double answered = static_cast<double>(shared.answered.load());
  expect(answered > 0, "tasks were answered");
  std::printf("%-10s %7u %14.0f %12.1f\n", kind, workers, answered / seconds,
              static_cast<double>(shared.cpu_ns.load()) / answered);
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  const std::chrono::milliseconds duration(argc > 1 ? std::atoi(argv[1]) : 300);
  std::vector<uint32_t> counts;
  for (int i = 2; i < argc; ++i) counts.push_back(static_cast<uint32_t>(std::atoi(argv[i])));
  if (counts.empty()) counts = {1, 2, 3, 4, 6, 8};
  std::printf("%-10s %7s %14s %12s\n", "as", "workers", "tasks/s", "CPU ns/task");
  std::fflush(stdout);
  for (uint32_t workers : counts) measure("threads", workers, false, duration);
  for (uint32_t workers : counts) measure("processes", workers, true, duration);
  return 0;
}
