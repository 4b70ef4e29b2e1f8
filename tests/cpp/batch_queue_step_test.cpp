// Death at every instruction: a worker is single-stepped through all it ever does to the shared memory, and after each
// instruction that changed a byte of it the memory is copied and treated as if the worker had been killed there.
//
// A random SIGKILL practically never falls between two particular stores; this visits every such gap once. The copy works
// at another address because nothing in it is a pointer.
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <vector>

#include "batch_queue.hpp"
#include "check.hpp"

using namespace clipper;

namespace {

constexpr uint32_t kSurvivor = 0, kVictim = 1, kDeadBefore = 2, kWorkers = 3;
constexpr uint32_t kSlots = 8, kRingCapacity = 16, kTasks = 6;
constexpr uint64_t kArenaBytes = 4096;

size_t round_up(size_t bytes) { return (bytes + 4095) / 4096 * 4096; }

// All pools and the rings of one queue in one piece of memory, wherever it is mapped.
struct World {
  static size_t pool_bytes() { return round_up(SlotPool::bytes_needed(kSlots, kArenaBytes)); }
  static size_t bytes() { return kWorkers * pool_bytes() + round_up(BatchQueue::bytes_needed(kWorkers, kRingCapacity)); }

  static World create(void* memory) {
    char* base = static_cast<char*>(memory);
    for (uint32_t worker = 0; worker < kWorkers; ++worker) {
      CHECK(SlotPool::create(base + worker * pool_bytes(), kSlots, kArenaBytes, worker) != nullptr);
    }
    CHECK(BatchQueue::create(base + kWorkers * pool_bytes(), kWorkers, kRingCapacity, 0));
    return World(memory);
  }
  explicit World(void* memory) : base(static_cast<char*>(memory)) {
    for (uint32_t worker = 0; worker < kWorkers; ++worker) pools.push_back(SlotPool::attach(base + worker * pool_bytes()));
  }
  BatchQueue view(uint32_t worker, uint32_t life = 0) const {
    return BatchQueue(base + kWorkers * pool_bytes(), pools, worker, life);
  }
  char* base;
  std::vector<SlotPool*> pools;
};

void push(SlotPool& pool, BatchQueue& queue, uint64_t bytes, uint64_t deadline_us) {
  const uint32_t index = static_cast<uint32_t>(pool.acquire(bytes));
  pool.set_deadlines(index, deadline_us, 1000);
  CHECK(queue.push(index, 20000));
}

// What the victim does: every operation that writes to shared memory, as origin and as claimer.
struct Victim {
  explicit Victim(World& world) : pool(*world.pools[kVictim]), queue(world.view(kVictim)) {
    batch.reserve(64);
    dropped.reserve(64);
    done.reserve(64);
  }
  void work() {
    queue.sweep(Claimer::of_worker(kDeadBefore, 0));
    push(pool, queue, 100, 3);
    push(pool, queue, 700, 7);
    queue.pop_batch(5, 1, FinishEstimate{}, batch, dropped);
    for (size_t i = 0; i < batch.size(); ++i) {
      if (i % 2 == 0) {
        queue.requeue(batch[i]);
      } else {
        queue.complete(batch[i], 1);
      }
    }
    pool.drain_completed(done);
    for (uint32_t index : done) pool.release(index);
    queue.pop_batch(2, 1, FinishEstimate{}, batch, dropped);
    for (SlotId slot : batch) queue.complete(slot, 1);
    push(pool, queue, 100, 9);
  }
  SlotPool& pool;
  BatchQueue queue;
  std::vector<SlotId> batch, dropped;
  std::vector<uint32_t> done;
};

void answer_all(BatchQueue& queue) {
  std::vector<SlotId> batch, dropped;
  while (queue.pop_batch(3, 1, FinishEstimate{}, batch, dropped) > 0) {
    for (SlotId slot : batch) CHECK(queue.complete(slot, 1));
  }
  CHECK(queue.depth() == 0);
}

// The victim died leaving this memory: the others go on, and everything is answered and freed exactly once.
void check_recovery(void* memory, bool recover_first) {
  World world(memory);
  BatchQueue queue = world.view(kSurvivor);
  SlotPool& mine = *world.pools[kSurvivor];
  const auto sweep = [&] {
    CHECK(queue.sweep(Claimer::of_worker(kVictim, 0)) && queue.sweep(Claimer::of_worker(kDeadBefore, 0)));
  };
  if (recover_first) world.pools[kVictim]->recover();
  sweep();
  if (!recover_first) world.pools[kVictim]->recover();
  answer_all(queue);
  std::vector<uint32_t> done;
  mine.drain_completed(done);
  sweep();  // sets bits again for slots that were drained and are not released yet
  mine.drain_completed(done);
  std::vector<int> times(kSlots, 0);
  for (uint32_t index : done) {
    ++times[index];
    CHECK(mine.result(index) == 1 && mine.release(index));
  }
  for (uint32_t index = 0; index < kTasks; ++index) CHECK(times[index] == 1);
  std::vector<uint32_t> orphans;
  world.pools[kVictim]->drain_completed(orphans);
  CHECK(orphans.empty());
  for (uint32_t worker : {kSurvivor, kVictim}) {
    SlotPool& pool = *world.pools[worker];
    CHECK(pool.in_use() == 0 && pool.arena_used_bytes() == 0);
    const int64_t whole = pool.acquire(kArenaBytes);  // the arena is in one piece again
    CHECK(whole >= 0 && pool.release(static_cast<uint32_t>(whole)));
  }
  BatchQueue next_life = world.view(kVictim, 1);  // its rings go on where the dead life stopped
  SlotPool& next_pool = *world.pools[kVictim];
  push(next_pool, next_life, 10, 1);
  answer_all(queue);
  next_pool.drain_completed(orphans);
  CHECK(orphans.size() == 1 && next_pool.release(orphans[0]));
}

}  // namespace

int main() {
  check::Mapping shared(World::bytes()), last(World::bytes()), copy(World::bytes());
  World world = World::create(shared.data());
  BatchQueue survivor = world.view(kSurvivor), dead_before = world.view(kDeadBefore);
  for (uint64_t task = 0; task < kTasks; ++task) push(*world.pools[kSurvivor], survivor, 64 << task % 3, task);
  std::vector<SlotId> batch, dropped;
  dead_before.pop_batch(2, 1, FinishEstimate{}, batch, dropped);  // and dies with them

  const pid_t pid = ::fork();
  if (pid == 0) {
    Victim victim(world);
    if (::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0) ::_exit(77);
    ::raise(SIGSTOP);
    victim.work();
    ::_exit(0);
  }
  int status = 0;
  long steps = 0, states = 0;
  ::waitpid(pid, &status, 0);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
    std::puts("not run: this kernel lets no process trace its child");
    return 0;
  }
  while (WIFSTOPPED(status)) {
    if (steps == 0 || std::memcmp(last.data(), shared.data(), World::bytes()) != 0) {
      ++states;
      std::memcpy(last.data(), shared.data(), World::bytes());
      for (bool recover_first : {false, true}) {
        std::memcpy(copy.data(), last.data(), World::bytes());
        check_recovery(copy.data(), recover_first);
      }
    }
    if (::ptrace(PTRACE_SINGLESTEP, pid, nullptr, nullptr) != 0) break;
    ::waitpid(pid, &status, 0);
    ++steps;
  }
  CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  std::printf("%ld instructions, %ld states of the memory, each recovered from\n", steps, states);
  CHECK(states > 100);
  return check::result();
}
