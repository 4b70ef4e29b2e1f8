// The queue's parts one by one, single-threaded: words, arena, ring, pool and pop, each at the edge of its limits.
#include "batch_queue.hpp"

#include <algorithm>
#include <cstring>
#include <map>
#include <memory>
#include <random>
#include <set>

#include "check.hpp"

using namespace clipper;

namespace {

// One or more workers' pools and views of one queue, all in this process.
struct Fixture {
  Fixture(uint32_t slots, uint64_t arena_bytes, uint32_t ring_capacity, uint32_t workers = 1)
      : rings(BatchQueue::bytes_needed(workers, ring_capacity)) {
    for (uint32_t worker = 0; worker < workers; ++worker) {
      memory.push_back(std::make_unique<check::Mapping>(SlotPool::bytes_needed(slots, arena_bytes)));
      pools.push_back(SlotPool::create(memory.back()->data(), slots, arena_bytes, worker));
    }
    CHECK(BatchQueue::create(rings.data(), workers, ring_capacity, 7));
    for (uint32_t worker = 0; worker < workers; ++worker) views.emplace_back(rings.data(), pools, worker, 1);
  }
  SlotPool& pool(uint32_t worker = 0) { return *pools[worker]; }
  BatchQueue& queue(uint32_t worker = 0) { return views[worker]; }
  uint32_t add(uint64_t deadline_us, uint64_t slo_us = 20000, uint32_t worker = 0) {
    const int64_t slot = pool(worker).acquire(8);
    CHECK(slot >= 0);
    const uint32_t index = static_cast<uint32_t>(slot);
    pool(worker).set_deadlines(index, deadline_us, deadline_us);
    CHECK(queue(worker).push(index, slo_us));
    return make_slot_id(worker, index);
  }
  std::vector<SlotId> pop(uint32_t size, uint64_t now_us = 0, FinishEstimate estimate = {}, uint32_t worker = 0) {
    queue(worker).pop_batch(size, now_us, estimate, batch, dropped);
    return batch;
  }
  check::Mapping rings;
  std::vector<std::unique_ptr<check::Mapping>> memory;
  std::vector<SlotPool*> pools;
  std::vector<BatchQueue> views;
  std::vector<SlotId> batch, dropped;
};

using Ids = std::vector<SlotId>;

void words_keep_every_field() {
  const Claimer claimer = Claimer::of_worker(63, 0x3fff);
  const SlotWord word = make_word((uint64_t{1} << 40) - 1, claimer, SlotState::Done);
  CHECK(generation_of(word) == (uint64_t{1} << 40) - 1 && claimer_of(word) == claimer && state_of(word) == SlotState::Done);
  CHECK(next_life(word) == 0);  // the generation wraps and nothing spills
  CHECK(Claimer::of_worker(0, 0x4000).incarnation == 0);
  const Hint hint = make_hint(12345, make_slot_id(63, kMaxSlots - 1));
  CHECK(hint_generation(hint) == 12345 && origin_of(slot_of(hint)) == 63 && index_of(slot_of(hint)) == kMaxSlots - 1);
}

void slo_rounds_down_to_its_class() {
  CHECK(BatchQueue::slo_class(0) == 0 && BatchQueue::slo_class(1999) == 0 && BatchQueue::slo_class(2000) == 1);
  CHECK(BatchQueue::slo_class(20000) == 4 && BatchQueue::slo_class(31999) == 4 && BatchQueue::slo_class(32000) == 5);
  CHECK(BatchQueue::slo_class(~uint64_t{0}) == 15);
}

void arena_blocks_never_overlap_and_all_come_back() {
  const uint64_t arena_bytes = 64 * 1000;  // no power of two: several roots
  check::Mapping memory(arena_bytes + 3 * 4096);
  auto* arena = ::new (memory.data()) BuddyArena;
  char* data = static_cast<char*>(memory.data()) + 4096;
  arena->init(data, data + 4096, arena_bytes);
  std::map<uint64_t, uint64_t> used;  // offset -> bytes
  std::mt19937_64 random(1);
  for (int step = 0; step < 100000; ++step) {
    if (random() % 2 == 0 || used.empty()) {
      const uint64_t bytes = random() % (random() % 8 == 0 ? 40000 : 300);
      const int64_t offset = arena->allocate(bytes);
      if (offset < 0) continue;
      const uint64_t begin = static_cast<uint64_t>(offset), end = begin + std::max<uint64_t>(bytes, 1);
      CHECK(end <= arena_bytes && begin % 64 == 0);
      const auto after = used.lower_bound(begin);
      CHECK(after == used.end() || after->first >= end);
      CHECK(after == used.begin() || std::prev(after)->first + std::prev(after)->second <= begin);
      used[begin] = bytes;
      std::memset(arena->at(begin), 0xee, bytes);
    } else {
      auto victim = used.lower_bound(random() % arena_bytes);
      if (victim == used.end()) victim = used.begin();
      arena->free(victim->first, victim->second);
      used.erase(victim);
    }
  }
  // Recovery: the same blocks reserved in a fresh arena collide with nothing that is allocated afterwards.
  arena->reset();
  for (const auto& [offset, bytes] : used) arena->reserve(offset, bytes);
  Ids extra;
  for (int64_t offset; (offset = arena->allocate(1)) >= 0;) {
    const uint64_t begin = static_cast<uint64_t>(offset);
    const auto after = used.upper_bound(begin);
    CHECK(after == used.begin() || std::prev(after)->first + std::max<uint64_t>(std::prev(after)->second, 1) <= begin);
    extra.push_back(static_cast<uint32_t>(begin));
  }
  for (const auto& [offset, bytes] : used) arena->free(offset, bytes);
  for (uint32_t offset : extra) arena->free(offset, 1);
  CHECK(arena->used_bytes() == 0);
  CHECK(arena->allocate(512 * 64) == 0);  // merged again, hot blocks included
}

void arena_reuses_the_last_block_first() {
  Fixture f(8, 1 << 20, 8);
  const int64_t first = f.pool().acquire(100), second = f.pool().acquire(100);
  char* address = f.pool().payload(static_cast<uint32_t>(second));
  CHECK(f.pool().release(static_cast<uint32_t>(second)));
  CHECK(f.pool().acquire(100) == second && f.pool().payload(static_cast<uint32_t>(second)) == address);
  CHECK(first == 0);
}

void pool_says_no_at_its_limits() {
  Fixture f(3, 4096, 8);
  CHECK(f.pool().acquire(4097) == SlotPool::kFull);                // oversize: no slot is spent on it
  CHECK(f.pool().acquire(~uint64_t{0}) == SlotPool::kFull);
  CHECK(f.pool().in_use() == 0);
  CHECK(f.pool().acquire(4096) == 0);                              // exactly the arena
  CHECK(f.pool().acquire(0) == SlotPool::kFull);                   // arena exhausted, slots left
  CHECK(f.pool().release(0) && f.pool().arena_used_bytes() == 0);
  CHECK(f.pool().acquire(1) == 0 && f.pool().acquire(0) == 1 && f.pool().acquire(64) == 2);
  CHECK(f.pool().acquire(1) == SlotPool::kFull);                   // slots exhausted, arena left
  CHECK(f.pool().release(1) && !f.pool().release(1));              // a second release changes nothing
  CHECK(f.pool().acquire(1) == 1 && f.pool().in_use() == 3);
  check::Mapping other(4096);
  CHECK(SlotPool::attach(other.data()) == nullptr && SlotPool::attach(f.memory[0]->data()) == &f.pool());
  CHECK(SlotPool::create(other.data(), 0, 64) == nullptr && SlotPool::create(other.data(), kMaxSlots + 1, 64) == nullptr);
  CHECK(!BatchQueue::create(other.data(), 1, 3, 0) && !BatchQueue::create(other.data(), kMaxWorkers + 1, 4, 0));
}

void ring_says_no_when_full_and_recovers() {
  Fixture f(8, 1 << 16, 4);
  for (uint64_t i = 0; i < 4; ++i) f.add(100 + i);
  const uint32_t extra = static_cast<uint32_t>(f.pool().acquire(8));
  CHECK(!f.queue().push(extra, 20000));
  CHECK(f.queue().push(extra, 1));  // another class has a ring of its own
  CHECK(f.queue().depth() == 5);
  CHECK(f.pop(5).size() == 5 && f.queue().depth() == 0);
  CHECK(f.pop(5).empty() && f.dropped.empty());
}

void full_ring_of_stale_hints_makes_room_by_itself() {
  Fixture f(8, 1 << 16, 4);
  for (uint64_t i = 0; i < 4; ++i) f.add(100 + i);
  for (uint32_t slot = 0; slot < 3; ++slot) {  // withdrawn by the owner without a look at the ring
    CHECK(f.pool().claim(slot, 0, f.queue().me()) && f.pool().release(slot));
  }
  const uint32_t slot = f.add(90);
  CHECK((f.pop(9) == Ids{3, slot}));  // ring order within a class
}

void heads_are_merged_by_deadline() {
  Fixture f(16, 1 << 16, 16, 2);
  const SlotId a = f.add(500, 20000), b = f.add(100, 2000), c = f.add(300, 500000), d = f.add(200, 2000, 1);
  CHECK((f.pop(3) == Ids{b, d, c}));
  CHECK((f.pop(3, 0, {}, 1) == Ids{a}));
}

void stale_and_duplicate_hints_cost_nothing() {
  Fixture f(8, 1 << 16, 8);
  const SlotId slot = f.add(10);
  CHECK(f.pool().claim(slot, 0, f.queue().me()));  // the claimer dies before it moves the head: the hint stays
  CHECK(f.queue().sweep(f.queue().me()));          // swept: a second hint of the same life
  CHECK(f.queue().depth() == 2);
  CHECK((f.pop(8) == Ids{slot}) && f.queue().depth() == 0);
  CHECK(!f.pool().claim(slot, 0, f.queue().me()));
  CHECK(f.queue().complete(slot, 42) && !f.queue().complete(slot, 43) && !f.queue().requeue(slot));
  std::vector<uint32_t> done;
  f.pool().drain_completed(done);
  f.pool().drain_completed(done);
  CHECK((done == Ids{slot}) && f.pool().result(slot) == 42 && f.pool().release(slot));
  CHECK(f.pool().acquire(8) == slot);
  CHECK(!f.pool().claim(slot, 0, f.queue().me()) && !f.pool().claim(slot, 1, f.queue().me()));  // not published
}

void requeued_task_is_served_by_its_deadline_again() {
  Fixture f(8, 1 << 16, 8);
  const SlotId late = f.add(200), early = f.add(100, 2000);
  CHECK((f.pop(1) == Ids{early}));
  CHECK(!f.queue().requeue(late));  // not mine
  CHECK(f.queue().requeue(early) && !f.queue().requeue(early));
  CHECK((f.pop(2) == Ids{early, late}));
}

void queued_or_foreign_slot_cannot_be_released() {
  Fixture f(8, 1 << 16, 8, 2);
  const SlotId slot = f.add(10);
  CHECK(!f.pool().release(slot));
  CHECK((f.pop(1, 0, {}, 1) == Ids{slot}) && !f.pool().release(slot));
  CHECK(!f.queue(0).complete(slot, 1));  // worker 1 holds it
  CHECK(f.queue(1).complete(slot, 1) && f.pool().release(slot));
  const SlotId own = f.add(10);
  CHECK((f.pop(1) == Ids{own}) && f.pool().release(own));  // the owner's own claim needs no bitmap
}

void early_drop_keeps_the_batch_size() {
  Fixture f(16, 1 << 16, 16);
  Ids slots;
  for (uint64_t i = 0; i < 6; ++i) slots.push_back(f.add(1000 + 10 * i));
  // A batch of 3 finishes at 900 + 60 + 3 * 20 = 1020: the heads at 1000 and 1010 cannot make it, 1020 can.
  CHECK((f.pop(3, 900, FinishEstimate{60, 20.0}) == Ids{slots[2], slots[3], slots[4]}));
  CHECK((f.dropped == Ids{slots[0], slots[1]}));
}

void wrong_estimate_still_sends_a_probe() {
  Fixture f(16, 1 << 16, 16);
  const SlotId expired = f.add(899), first = f.add(950), last = f.add(960);
  CHECK((f.pop(8, 900, FinishEstimate{1000000, 0.0}) == Ids{last}));
  CHECK((f.dropped == Ids{expired, first}));
  const SlotId gone = f.add(899);
  CHECK(f.pop(8, 900, FinishEstimate{1000000, 0.0}).empty() && (f.dropped == Ids{gone}));  // expired is never sent
  const SlotId edge = f.add(900);
  CHECK((f.pop(8, 900) == Ids{edge}));  // the deadline itself is in time
}

void joined_task_is_dropped_by_its_latest_waiter() {
  Fixture f(16, 1 << 16, 16);
  const SlotId joined = f.add(100);
  f.pool().set_deadlines(joined, 100, 5000);
  CHECK((f.pop(1, 1000) == Ids{joined}));
}

void finish_estimate_saturates() {
  const uint64_t never = ~uint64_t{0};
  CHECK((FinishEstimate{1, 1e300}.finish_us(1, 1) == never) && (FinishEstimate{never, 0}.finish_us(1, 1) == never));
  CHECK((FinishEstimate{5, -1.0}.finish_us(1, 9) == 6) && (FinishEstimate{5, 2.5}.finish_us(1, 2) == 11));
}

void recovery_frees_what_nobody_waits_for() {
  Fixture f(8, 1 << 16, 8, 2);
  const SlotId taken = f.add(1), queued = f.add(2), own = f.add(3, 2000), done = f.add(4, 500000);
  f.pool().acquire(30000);  // acquired, never published
  CHECK((f.pop(1, 0, {}, 1) == Ids{taken}) && (f.pop(2) == Ids{queued, own}) && f.queue().requeue(queued));
  CHECK((f.pop(2, 0, {}, 1) == Ids{queued, done}) && f.queue(1).requeue(queued) && f.queue(1).complete(done, 1));
  f.pool().recover();
  CHECK(f.pool().in_use() == 1);  // only `taken`, in the hands of worker 1
  CHECK(f.pop(8, 0, {}, 1).empty());
  CHECK(f.queue(1).complete(taken, 5) && !f.queue(1).complete(done, 1));
  Ids drained;
  f.pool().drain_completed(drained);
  CHECK(drained.empty() && f.pool().in_use() == 0 && f.pool().arena_used_bytes() == 0);
  for (int i = 0; i < 8; ++i) CHECK(f.pool().acquire(64) >= 0);
}

void sweep_requeues_what_a_dead_claimer_held() {
  Fixture f(8, 1 << 16, 2, 2);
  const SlotId held = f.add(1), requeued = f.add(2), done = f.add(3, 2000), mine = f.add(4, 2000);
  CHECK(f.pop(3, 0, {}, 1).size() == 3 && f.queue(1).requeue(requeued) && f.queue(1).complete(done, 9));
  const Claimer dead = f.queue(1).me();
  CHECK((f.pop(1) == Ids{requeued}) && f.queue().requeue(requeued));  // now mine
  CHECK(f.queue(0).sweep(dead) && f.queue(0).sweep(dead));
  CHECK((f.pop(8) == Ids{requeued, held, mine}));  // a ring is served in its own order
  Ids drained;
  f.pool().drain_completed(drained);
  CHECK((drained == Ids{done}));
}

void sweep_of_more_than_the_ring_holds_can_be_repeated() {
  Fixture f(8, 1 << 16, 4, 2);
  for (uint64_t i = 0; i < 4; ++i) f.add(i);
  for (uint64_t i = 0; i < 4; ++i) f.add(i, 2000);
  CHECK(f.pop(8, 0, {}, 1).size() == 8);
  CHECK(!f.queue(0).sweep(f.queue(1).me()));
  CHECK(f.pop(8).size() == 4 && f.queue(0).sweep(f.queue(1).me()) && f.pop(8).size() == 4);
}

void other_life_of_a_claimer_is_nobody() {
  Fixture f(8, 1 << 16, 8);
  const SlotId slot = f.add(1);
  CHECK(f.pop(1).size() == 1);
  BatchQueue next_life(f.rings.data(), f.pools, 0, 2);
  CHECK(!next_life.complete(slot, 1) && !next_life.requeue(slot) && next_life.sweep(next_life.me()));
  CHECK(next_life.depth() == 0 && next_life.sweep(f.queue().me()) && next_life.depth() == 1);
}

void sweep_leaves_the_tasks_of_other_queues_alone() {
  Fixture f(8, 1 << 16, 8);
  check::Mapping other_rings(BatchQueue::bytes_needed(1, 8));
  CHECK(BatchQueue::create(other_rings.data(), 1, 8, 8));  // another model version over the same pool
  BatchQueue other(other_rings.data(), f.pools, 0, 2);
  const SlotId slot = f.add(1);
  CHECK(f.pop(1).size() == 1 && other.sweep(f.queue().me()) && other.depth() == 0);
  BatchQueue next_life(f.rings.data(), f.pools, 0, 2);
  CHECK(next_life.sweep(f.queue().me()) && (f.pop(1) == Ids{slot}));
}

void last_slots_of_a_large_pool_are_drained() {
  const uint32_t count = 16384;
  Fixture f(count, 1 << 21, 16384);
  for (uint32_t i = 0; i < count; ++i) f.add(i);
  CHECK(f.pool().acquire(1) == SlotPool::kFull && f.pop(count).size() == count);
  std::set<uint32_t> seen;
  for (SlotId slot : f.batch) CHECK(f.queue().complete(slot, slot));
  Ids drained;
  f.pool().drain_completed(drained);
  seen.insert(drained.begin(), drained.end());
  CHECK(drained.size() == count && seen.size() == count);
}

}  // namespace

int main() {
  words_keep_every_field();
  slo_rounds_down_to_its_class();
  arena_blocks_never_overlap_and_all_come_back();
  arena_reuses_the_last_block_first();
  pool_says_no_at_its_limits();
  ring_says_no_when_full_and_recovers();
  full_ring_of_stale_hints_makes_room_by_itself();
  heads_are_merged_by_deadline();
  stale_and_duplicate_hints_cost_nothing();
  requeued_task_is_served_by_its_deadline_again();
  queued_or_foreign_slot_cannot_be_released();
  early_drop_keeps_the_batch_size();
  wrong_estimate_still_sends_a_probe();
  joined_task_is_dropped_by_its_latest_waiter();
  finish_estimate_saturates();
  recovery_frees_what_nobody_waits_for();
  sweep_requeues_what_a_dead_claimer_held();
  sweep_of_more_than_the_ring_holds_can_be_repeated();
  other_life_of_a_claimer_is_nobody();
  sweep_leaves_the_tasks_of_other_queues_alone();
  last_slots_of_a_large_pool_are_drained();
  return check::result();
}
