// Threads on one queue, meant for ThreadSanitizer: no task may be lost, answered twice, or seen half-written.
//
// First every worker is origin and claimer at once. Then half of them only ask and the others only answer: an origin
// that also claims keeps releasing something or other, which would hide a publish that does not. Built with
// -DCLIPPER_PLANT_RELAXED_PUBLISH the publishing stores are relaxed, and ThreadSanitizer has to report the race on the
// payload in the second part: that is the test of this test.
//
// usage: slot_pool_stress_test [workers [tasks a worker]]
#include <cstring>
#include <memory>
#include <random>
#include <thread>
#include <vector>

#include "batch_queue.hpp"
#include "check.hpp"

using namespace clipper;

namespace {

constexpr uint32_t kSlots = 256, kRingCapacity = 64;  // small: full rings, exhausted slots and reuse all the time
constexpr uint64_t kArenaBytes = 64 * 1024;

uint64_t answer_to(uint64_t question) { return question * 0x9e3779b97f4a7c15u + 1; }

class Worker {
 public:
  Worker(void* rings, const std::vector<SlotPool*>& pools, uint32_t worker, uint64_t tasks)
      : queue_(rings, pools, worker, 1), pool_(*pools[worker]), worker_(worker), tasks_(tasks), random_(worker),
        question_(kSlots, 0), times_answered_(tasks, 0) {}

  // One turn of a loop: some questions in, a batch served, answers out.
  bool turn(bool serves) {
    ask(random_() % 16);
    if (serves) serve(1 + random_() % 24);
    collect();
    return answered_ < tasks_;
  }
  void serve_others() { serve(24); }

  void check_every_question_was_answered_once() const {
    for (uint64_t times : times_answered_) CHECK(times == 1);
    CHECK(pool_.in_use() == 0 && pool_.arena_used_bytes() == 0);
  }

 private:
  // The payload is the question, repeated over a length that the question determines.
  static size_t words_of(uint64_t question) { return 1 + question % 40; }

  void ask(uint64_t count) {
    for (; count > 0 && asked_ < tasks_; --count) {
      const uint64_t question = asked_ << 8 | worker_;
      const int64_t slot = pool_.acquire(words_of(question) * 8);
      if (slot < 0) return;
      const uint32_t index = static_cast<uint32_t>(slot);
      for (size_t i = 0; i < words_of(question); ++i) std::memcpy(pool_.payload(index) + 8 * i, &question, 8);
      pool_.set_deadlines(index, asked_, random_() % 64 == 0 ? 0 : 1000);  // some have expired
      if (!queue_.push(index, 1000u << random_() % 3)) {
        CHECK(pool_.release(index));
        return;
      }
      question_[index] = question;
      ++asked_;
      if (random_() % 8 == 0) pool_.set_deadlines(index, asked_, 2000);  // somebody joined, queued or taken
    }
  }

  void serve(uint64_t size) {
    queue_.pop_batch(static_cast<uint32_t>(size), 1, FinishEstimate{}, batch_, dropped_);
    for (SlotId slot : batch_) {
      if (random_() % 16 == 0 && queue_.requeue(slot)) continue;  // as if its replica had died
      answer(slot);
    }
    for (SlotId slot : dropped_) answer(slot);
  }

  void answer(SlotId slot) {
    SlotPool* pool = queue_.pool_of(slot);
    const uint32_t index = index_of(slot);
    uint64_t first = 0;
    std::memcpy(&first, pool->payload(index), 8);
    CHECK(pool->payload_bytes(index) == words_of(first) * 8 && (first & 0xff) == origin_of(slot));
    for (size_t i = 0; i < words_of(first); ++i) {
      uint64_t word = 0;
      std::memcpy(&word, pool->payload(index) + 8 * i, 8);
      CHECK(word == first);
    }
    CHECK(queue_.complete(slot, answer_to(first)));
  }

  void collect() {
    done_.clear();
    pool_.drain_completed(done_);
    for (uint32_t index : done_) {
      CHECK(pool_.result(index) == answer_to(question_[index]));
      ++times_answered_[question_[index] >> 8];
      ++answered_;
      CHECK(pool_.release(index));
    }
  }

  BatchQueue queue_;
  SlotPool& pool_;
  uint64_t worker_, tasks_, asked_ = 0, answered_ = 0;
  std::mt19937_64 random_;
  std::vector<uint64_t> question_, times_answered_;
  std::vector<SlotId> batch_, dropped_;
  std::vector<uint32_t> done_;
};

void run(uint32_t workers, uint64_t tasks, bool origins_claim) {
  check::Mapping rings(BatchQueue::bytes_needed(workers, kRingCapacity));
  CHECK(BatchQueue::create(rings.data(), workers, kRingCapacity, 0));
  std::vector<std::unique_ptr<check::Mapping>> memory;
  std::vector<SlotPool*> pools;
  for (uint32_t worker = 0; worker < workers; ++worker) {
    memory.push_back(std::make_unique<check::Mapping>(SlotPool::bytes_needed(kSlots, kArenaBytes)));
    pools.push_back(SlotPool::create(memory.back()->data(), kSlots, kArenaBytes, worker));
  }
  std::vector<std::unique_ptr<Worker>> all;
  for (uint32_t worker = 0; worker < workers; ++worker) {
    const bool asks = origins_claim || worker % 2 == 0;
    all.push_back(std::make_unique<Worker>(rings.data(), pools, worker, asks ? tasks : 0));
  }
  std::atomic<uint32_t> busy{workers};
  std::vector<std::thread> threads;
  for (uint32_t index = 0; index < workers; ++index) {
    threads.emplace_back([&busy, worker = all[index].get(), serves = origins_claim || index % 2 == 1] {
      while (worker->turn(serves)) std::this_thread::yield();
      // relaxed: only says when to stop. Others may have requeued what is theirs; keep serving until all are through.
      busy.fetch_sub(1, std::memory_order_relaxed);
      while (serves && busy.load(std::memory_order_relaxed) != 0) {
        worker->serve_others();
        std::this_thread::yield();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (auto& worker : all) worker->check_every_question_was_answered_once();
}

}  // namespace

int main(int argc, char** argv) {
  const uint32_t workers = argc > 1 ? static_cast<uint32_t>(std::atoi(argv[1])) : 4;
  const uint64_t tasks = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 20000;
  run(workers, tasks, true);
  run(workers, tasks, false);
  return check::result();
}
