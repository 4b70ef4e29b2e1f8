// Processes on one queue in shared memory, SIGKILLed wherever they happen to be, while the others work on.
//
// Every worker is origin and claimer. The parent kills one after the other, starts its next life, which recovers its
// pool, and then, being a claimer itself, sweeps what the dead life had claimed. At the end everybody finishes: no slot
// may be lost, no answer given twice, and every task of a life that was never killed has its answer.
//
// usage: batch_queue_kill_test [kills]
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <random>
#include <vector>

#include "batch_queue.hpp"
#include "check.hpp"

using namespace clipper;

namespace {

constexpr uint32_t kWorkers = 3, kSlots = 128, kRingCapacity = 128;  // and the parent: a worker that never asks
constexpr uint64_t kArenaBytes = 32 * 1024;

struct Shared {  // in shared memory, zero at start
  std::atomic<uint32_t> stop;
  std::atomic<uint32_t> finished;
  struct alignas(64) PerWorker {
    std::atomic<uint64_t> turns;       // of this life
    std::atomic<uint64_t> answered;    // of all lives
    std::atomic<uint32_t> errors;      // an answer given twice, or a wrong one
    uint32_t exhausted;                // turns that were refused a slot
  } worker[kWorkers];
};

uint64_t answer_to(uint64_t question) { return question * 0x9e3779b97f4a7c15u + 1; }

struct World {
  World()
      : shared_memory(sizeof(Shared)),
        rings(BatchQueue::bytes_needed(kWorkers + 1, kRingCapacity)) {
    shared = static_cast<Shared*>(shared_memory.data());
    CHECK(BatchQueue::create(rings.data(), kWorkers + 1, kRingCapacity, 0));
    for (uint32_t worker = 0; worker <= kWorkers; ++worker) {
      memory.push_back(new check::Mapping(SlotPool::bytes_needed(kSlots, kArenaBytes)));
      pools.push_back(SlotPool::create(memory.back()->data(), kSlots, kArenaBytes, worker));
    }
  }
  check::Mapping shared_memory, rings;
  std::vector<check::Mapping*> memory;  // until exit
  std::vector<SlotPool*> pools;
  Shared* shared;
};

void serve(BatchQueue& queue, std::mt19937_64& random, Shared::PerWorker* errors) {
  static thread_local std::vector<SlotId> batch, dropped;
  queue.pop_batch(1 + random() % 24, 1, FinishEstimate{}, batch, dropped);
  for (SlotId slot : batch) {
    if (random() % 8 == 0 && queue.requeue(slot)) continue;
    uint64_t question = 0;
    std::memcpy(&question, queue.pool_of(slot)->payload(index_of(slot)), 8);
    if (!queue.complete(slot, answer_to(question)) && errors != nullptr) ++errors->errors;
  }
}

// One life of a worker; `lifetimes` make questions unique. Returns when told to stop and everything is answered.
void live(World& world, uint32_t worker, uint32_t life) {
  SlotPool& pool = *world.pools[worker];
  BatchQueue queue(world.rings.data(), world.pools, worker, life);
  Shared::PerWorker& mine = world.shared->worker[worker];
  std::mt19937_64 random(life * 64 + worker);
  std::vector<uint64_t> question(kSlots, 0);  // 0 = nothing asked through this slot
  std::vector<uint32_t> done;
  uint64_t asked = 0, waiting = 0;
  if (life > 0) pool.recover();
  for (bool finished = false;;) {
    const bool stop = world.shared->stop.load() != 0;
    for (uint64_t count = stop ? 0 : random() % 16; count > 0; --count) {
      const int64_t slot = pool.acquire(8 + random() % 500);
      if (slot < 0) {
        ++mine.exhausted;
        break;
      }
      const uint32_t index = static_cast<uint32_t>(slot);
      const uint64_t text = ++asked << 20 | (life & 0xfff) << 8 | worker;
      std::memcpy(pool.payload(index), &text, 8);
      pool.set_deadlines(index, asked, 1000);
      if (!queue.push(index, 1000u << random() % 3)) {
        pool.release(index);
        break;
      }
      question[index] = text;
      ++waiting;
    }
    serve(queue, random, &mine);
    done.clear();
    pool.drain_completed(done);
    for (uint32_t index : done) {
      if (question[index] == 0 || pool.result(index) != answer_to(question[index])) ++mine.errors;
      question[index] = 0;
      --waiting;
      ++mine.answered;
      if (!pool.release(index)) ++mine.errors;
    }
    ++mine.turns;
    if (stop && waiting == 0 && pool.in_use() == 0 && !finished) {
      finished = true;
      ++world.shared->finished;
    }
    if (world.shared->finished.load() == kWorkers) break;  // until then others may need what I can serve
    if (stop) ::usleep(50);
  }
  if (pool.in_use() != 0 || pool.arena_used_bytes() != 0 || waiting != 0) ++mine.errors;
}

pid_t start(World& world, uint32_t worker, uint32_t life) {
  world.shared->worker[worker].turns = 0;
  const pid_t pid = ::fork();
  if (pid == 0) {
    live(world, worker, life);
    ::_exit(0);
  }
  return pid;
}

}  // namespace

int main(int argc, char** argv) {
  const int kills = argc > 1 ? std::atoi(argv[1]) : 200;
  ::alarm(240);  // a lost slot shows as a worker that never finishes
  World world;
  std::mt19937_64 random(7);
  pid_t pids[kWorkers];
  uint32_t lives[kWorkers] = {};
  for (uint32_t worker = 0; worker < kWorkers; ++worker) pids[worker] = start(world, worker, 0);
  BatchQueue mine(world.rings.data(), world.pools, kWorkers, 0);
  const auto sweep = [&](uint32_t worker, uint32_t life) {
    while (!mine.sweep(Claimer::of_worker(worker, life))) serve(mine, random, nullptr);
  };
  int loaded_kills = 0;
  for (int kill = 0; kill < kills; ++kill) {
    const uint32_t victim = static_cast<uint32_t>(random() % kWorkers);
    for (int wait = 0; wait < 2000 && world.shared->worker[victim].turns.load() < 20; ++wait) ::usleep(100);
    ::usleep(static_cast<useconds_t>(random() % 2000));
    ::kill(pids[victim], SIGKILL);
    ::waitpid(pids[victim], nullptr, 0);
    loaded_kills += world.shared->worker[victim].turns.load() >= 20;
    const uint32_t dead = lives[victim]++;
    const bool sweep_first = random() % 2 == 0;  // both orders, and the next life may run during the sweep
    if (sweep_first) sweep(victim, dead);
    pids[victim] = start(world, victim, lives[victim]);
    if (!sweep_first) sweep(victim, dead);
  }
  world.shared->stop = 1;
  uint64_t answered = 0;
  for (uint32_t worker = 0; worker < kWorkers; ++worker) {
    int status = 0;
    ::waitpid(pids[worker], &status, 0);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    CHECK(world.shared->worker[worker].errors == 0);
    answered += world.shared->worker[worker].answered;
    for (uint32_t slot = 0; slot < kSlots; ++slot) {
      CHECK(state_of(world.pools[worker]->word(slot)) == SlotState::Free);
    }
  }
  std::printf("%d kills, %d of them of a worker under load; %llu answers\n", kills, loaded_kills,
              static_cast<unsigned long long>(answered));
  for (check::Mapping* mapping : world.memory) delete mapping;
  return check::result();
}
