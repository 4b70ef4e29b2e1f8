// The batch queue of one model version: hint rings over the slot pools of all workers, merged by deadline at pop.
//
// A ring per (worker, SLO class), written by that worker as origin, and a requeue ring per worker, written by it as
// claimer. Within a class deadlines come nearly in order (arrival + a nearly constant SLO), so taking the earliest of
// the rings' heads is earliest-deadline-first without a heap or a lock: exact for rings that are in order with one
// consumer; with several, an inversion is bounded by one batch per other consumer.
//
// The memory is the caller's and may be shared; a BatchQueue object is one worker's process-local view of it.
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <new>
#include <vector>

#include "finish_estimate.hpp"
#include "hint_ring.hpp"
#include "slot_pool.hpp"

namespace clipper {

class BatchQueue {
 public:
  static constexpr uint32_t kSloClasses = 16;
  static constexpr uint64_t kNobody = ~uint64_t{0};
  static constexpr uint64_t kFirstSloUs = 1000;  // class c starts at 1 ms << c: 1, 2, 4 ms, ... 32.8 s

  // An SLO rounds down to its class, so that the ring never serves it later than its class mates' deadlines would.
  static constexpr uint32_t slo_class(uint64_t slo_us) noexcept {
    const uint64_t units = slo_us / kFirstSloUs;
    if (units < 2) return 0;
    const uint32_t log2 = 63u - static_cast<uint32_t>(__builtin_clzll(units));
    return log2 < kSloClasses ? log2 : kSloClasses - 1;
  }

  // `ring_capacity`: hints a ring holds, a power of two.
  static size_t bytes_needed(uint32_t worker_count, uint32_t ring_capacity) noexcept {
    return kHeaderBytes + worker_count * (sizeof(Control) + uint64_t{kRings} * ring_capacity * sizeof(Hint));
  }

  // Lay the rings out in zero-filled memory, once. False if a limit is exceeded.
  static bool create(void* memory, uint32_t worker_count, uint32_t ring_capacity, uint32_t queue_id) noexcept {
    if (worker_count == 0 || worker_count > kMaxWorkers) return false;
    if (ring_capacity == 0 || (ring_capacity & (ring_capacity - 1)) != 0) return false;
    Header* header = ::new (memory) Header;
    header->worker_count = worker_count;
    header->ring_capacity = ring_capacity;
    header->queue_id = queue_id;
    header->magic.store(kMagic, std::memory_order_release);
    return true;
  }

  // True if create() has been called on the memory and it is for this many workers.
  static bool is_created(void* memory, uint32_t worker_count) noexcept {
    Header* header = static_cast<Header*>(memory);
    return header->magic.load(std::memory_order_acquire) == kMagic && header->worker_count == worker_count;
  }

  // The view of `worker` in its life `incarnation`; pools[w] is worker w's pool as mapped here. Memory must be created.
  BatchQueue(void* memory, const std::vector<SlotPool*>& pools, uint32_t worker, uint32_t incarnation)
      : header_(static_cast<Header*>(memory)), pools_(pools), me_(Claimer::of_worker(worker, incarnation)) {
    controls_ = reinterpret_cast<Control*>(static_cast<char*>(memory) + kHeaderBytes);
    char* cells = reinterpret_cast<char*>(controls_ + header_->worker_count);
    for (uint32_t origin = 0; origin < header_->worker_count; ++origin) {
      Control& control = controls_[origin];
      for (uint32_t ring = 0; ring < kRings; ++ring) {
        rings_.emplace_back(&control.head[ring], &control.tail[ring], reinterpret_cast<std::atomic<uint64_t>*>(cells),
                            header_->ring_capacity);
        cells += header_->ring_capacity * sizeof(Hint);
      }
    }
    cursors_.reserve(rings_.size());
  }

  // Owner: queue an acquired slot of its own pool. False: the ring is full and the slot still the caller's.
  bool push(uint32_t index, uint64_t slo_us) noexcept {
    HintRing& ring = ring_to_write(slo_class(slo_us));
    if (!ring.has_room() && !drop_stale_head(ring)) return false;
    // Slot first: a hint that arrived before its slot is queued would be thrown away as stale.
    const uint64_t generation = pools_[worker()]->publish(index, header_->queue_id);
    ring.push(make_hint(generation, make_slot_id(worker(), index)));
    return true;
  }

  // Claimer: give a claimed slot back to the queue. False: the requeue ring is full (the slot is still the caller's) or
  // the slot was not the caller's.
  bool requeue(SlotId slot) noexcept {
    HintRing& ring = ring_to_write(kRequeueRing);
    if (!ring.has_room() && !drop_stale_head(ring)) return false;
    uint64_t generation = 0;
    if (!pool_of(slot)->requeue(index_of(slot), me_, &generation)) return false;
    ring.push(make_hint(generation, slot));
    return true;
  }

  // Claimer: TAKEN -> DONE and tell the origin. False: the slot was not the caller's.
  bool complete(SlotId slot, uint64_t result) noexcept { return pool_of(slot)->complete(index_of(slot), me_, result); }

  // Claim up to max_size tasks in order of deadline; both vectors are cleared first. Returns the size of the batch.
  //
  // Early drop (Nexus, SOSP '19): the size n is all that waits, or max_size; a head whose latest waiter cannot be met by
  // a batch of n goes to `dropped` (claimed too, the caller answers for it) instead of shrinking the batch. It does not
  // count as waiting any more: of a short queue no more is dropped than the rest takes. If the estimate alone would have
  // dropped everything, the one with the most time left is sent as a probe batch of one: a wrong estimate has to meet
  // reality to be corrected. What is already past its deadline is never sent.
  int pop_batch(uint32_t max_size, uint64_t now_us, FinishEstimate estimate, std::vector<SlotId>& batch,
                std::vector<SlotId>& dropped) noexcept {
    return pop_batch(max_size, now_us, now_us, kNobody, estimate, batch, dropped, spared_);
  }

  // The same for a batch that begins at `start_us`, where a task that this batch cannot meet may be met by another one,
  // that would be done at `other_us`: such a task goes to `spared`, claimed, for the caller to requeue. kNobody: none.
  int pop_batch(uint32_t max_size, uint64_t now_us, uint64_t start_us, uint64_t other_us, FinishEstimate estimate,
                std::vector<SlotId>& batch, std::vector<SlotId>& dropped, std::vector<SlotId>& spared) noexcept {
    batch.clear();
    dropped.clear();
    spared.clear();
    uint64_t waiting = open_cursors();
    uint64_t size = 0, finish_us = 0;
    size_t probe = kNoProbe;
    uint64_t probe_deadline_us = now_us;  // a probe's own deadline has not passed
    while (batch.size() < max_size && !cursors_.empty()) {
      const uint64_t available = batch.size() + waiting;
      if (const uint64_t wanted = available < max_size ? available : max_size; wanted != size) {
        size = wanted;
        finish_us = estimate.finish_us(start_us, size);
      }
      Cursor& next = earliest();
      const uint64_t before = next.position;
      const SlotId slot = slot_of(next.hint);
      SlotPool* pool = pool_of(slot);
      if (pool->claim(index_of(slot), hint_generation(next.hint), me_)) {
        const uint64_t drop_deadline_us = pool->drop_deadline_us(index_of(slot));
        if (drop_deadline_us >= finish_us) {
          batch.push_back(slot);
        } else if (drop_deadline_us >= other_us) {
          spared.push_back(slot);
        } else {
          if (drop_deadline_us >= probe_deadline_us) {
            probe = dropped.size();
            probe_deadline_us = drop_deadline_us;
          }
          dropped.push_back(slot);
        }
      }
      ++next.position;
      const bool is_live = find_live(next);
      waiting -= next.position - before;
      if (!is_live) close(next);
    }
    for (Cursor& cursor : cursors_) cursor.ring->advance(cursor.position);
    cursors_.clear();
    if (batch.empty() && spared.empty() && probe != kNoProbe) {
      batch.push_back(dropped[probe]);
      dropped.erase(dropped.begin() + static_cast<std::ptrdiff_t>(probe));
    }
    return static_cast<int>(batch.size());
  }

  // Owner: take a task of its own pool out of the queue again (nobody waits for it any more); it is claimed then. Its
  // hint goes when it reaches the head of its ring. False: it was not queued, or somebody was faster.
  bool withdraw(uint32_t index) noexcept {
    SlotPool* pool = pools_[worker()];
    const SlotWord word = pool->word(index);
    if (state_of(word) != SlotState::Queued || !pool->claim(index, generation_of(word), me_)) return false;
    for_each_used_ring(*this, [this](HintRing& ring) { drop_stale_head(ring); });
    return true;
  }

  // Deadline of the task that would be popped first; kNobody if there is none.
  uint64_t earliest_deadline_us() noexcept {
    open_cursors();
    const uint64_t deadline_us = cursors_.empty() ? kNobody : earliest().deadline_us;
    cursors_.clear();
    return deadline_us;
  }

  // Hints that wait: exact with one worker that never withdraws a task, else an upper bound of a moment ago.
  uint64_t depth() const noexcept {
    uint64_t sum = 0;
    for_each_used_ring(*this, [&sum](const HintRing& ring) {
      const uint64_t head = ring.head();  // before tail(): then head <= tail
      sum += ring.tail() - head;
    });
    return sum;
  }

  // Requeue what a dead claimer held of this queue, in the pools of all workers, and the bits it owed. False: the
  // requeue ring filled up; pop some and call again. A dead origin's own pool is its next life's to recover().
  bool sweep(Claimer dead) noexcept {
    HintRing& ring = ring_to_write(kRequeueRing);
    bool swept = true;
    for (uint32_t origin = 0; origin < pools_.size() && swept; ++origin) {
      swept = pools_[origin]->sweep(
          dead, me_, header_->queue_id, [&] { return ring.has_room() || drop_stale_head(ring); },
          [&](uint64_t generation, uint32_t index) { ring.push(make_hint(generation, make_slot_id(origin, index))); });
    }
    return swept;
  }

  Claimer me() const noexcept { return me_; }
  uint32_t worker() const noexcept { return me_.id - 1; }
  uint32_t worker_count() const noexcept { return header_->worker_count; }
  uint32_t queue_id() const noexcept { return header_->queue_id; }
  uint32_t ring_capacity() const noexcept { return header_->ring_capacity; }
  SlotPool* pool_of(SlotId slot) noexcept { return pools_[origin_of(slot)]; }

 private:
  static constexpr uint32_t kRings = kSloClasses + 1, kRequeueRing = kSloClasses;
  static constexpr size_t kHeaderBytes = 64, kNoProbe = ~size_t{0};
  static constexpr uint64_t kMagic = 0x3151746142706c43;  // "ClpBatQ1": raise the digit when the layout changes

  struct Header {
    std::atomic<uint64_t> magic;
    uint32_t worker_count, ring_capacity, queue_id;
  };
  static_assert(sizeof(Header) <= kHeaderBytes);

  // The worker writes the first part, all consumers the second: they share no cache line.
  struct Control {
    alignas(64) std::atomic<uint32_t> used;  // bit r: ring r has been written to; never cleared
    std::atomic<uint64_t> tail[kRings];
    alignas(64) std::atomic<uint64_t> head[kRings];
  };

  struct Cursor {  // where a pop stands in one ring; the head itself is moved once, at the end
    HintRing* ring;
    uint64_t position, tail;
    Hint hint;              // at position: queued when we looked
    uint64_t deadline_us;
  };

  // One of this worker's own rings, made known to consumers. relaxed: the bit only says where to look; a consumer that
  // does not see it yet does not see the hint yet either, and the next pop does.
  HintRing& ring_to_write(uint32_t ring) noexcept {
    std::atomic<uint32_t>& used = controls_[worker()].used;
    const uint32_t bits = used.load(std::memory_order_relaxed);
    if ((bits & 1u << ring) == 0) used.store(bits | 1u << ring, std::memory_order_relaxed);
    return rings_[worker() * kRings + ring];
  }

  // Most queues ever see one or two classes: the other rings are not looked at, and their memory is never touched.
  template <class Queue, class Visit>
  static void for_each_used_ring(Queue& queue, Visit&& visit) noexcept {
    for (uint32_t worker = 0; worker < queue.header_->worker_count; ++worker) {
      uint32_t used = queue.controls_[worker].used.load(std::memory_order_relaxed);
      for (; used != 0; used &= used - 1) {
        visit(queue.rings_[worker * kRings + static_cast<uint32_t>(__builtin_ctz(used))]);
      }
    }
  }

  uint64_t open_cursors() noexcept {
    uint64_t queued = 0;
    for_each_used_ring(*this, [&](HintRing& ring) {
      const uint64_t head = ring.head();  // before tail(): then head <= tail
      const uint64_t tail = ring.tail();
      if (head == tail) return;
      Cursor cursor{&ring, head, tail, 0, 0};
      if (find_live(cursor)) {
        queued += cursor.tail - cursor.position;
        cursors_.push_back(cursor);  // reserved for all rings: cannot throw
      } else {
        ring.advance(cursor.position);
      }
    });
    return queued;
  }

  // Step over stale hints. A hint that is stale now is stale for good, or its slot has a newer hint elsewhere: only a
  // requeue or sweep makes a slot claimable again in the same life, and each pushes a hint of its own.
  bool find_live(Cursor& cursor) noexcept {
    for (; cursor.position != cursor.tail; ++cursor.position) {
      cursor.hint = cursor.ring->at(cursor.position);
      const SlotId slot = slot_of(cursor.hint);
      if (origin_of(slot) >= pools_.size()) continue;  // only if the memory was damaged
      SlotPool* pool = pool_of(slot);
      const SlotWord word = pool->word(index_of(slot));  // acquire: the deadline is of this life, or later
      if (state_of(word) != SlotState::Queued || generation_of(word) != hint_generation(cursor.hint)) continue;
      cursor.deadline_us = pool->deadline_us(index_of(slot));
      return true;
    }
    return false;
  }

  // A tie goes to the ring that comes first, so that the order does not depend on which rings ran dry before.
  Cursor& earliest() noexcept {
    Cursor* best = &cursors_[0];
    for (Cursor& cursor : cursors_) {
      if (cursor.deadline_us < best->deadline_us || (cursor.deadline_us == best->deadline_us && cursor.ring < best->ring)) {
        best = &cursor;
      }
    }
    return *best;
  }

  void close(Cursor& cursor) noexcept {
    cursor.ring->advance(cursor.position);
    cursor = cursors_.back();
    cursors_.pop_back();
  }

  // Full of hints nobody has looked at: step over those that are stale at the head, as a consumer would.
  bool drop_stale_head(HintRing& ring) noexcept {
    Cursor cursor{&ring, ring.head(), 0, 0, 0};
    cursor.tail = ring.tail();
    find_live(cursor);
    ring.advance(cursor.position);
    return ring.has_room();
  }

  Header* header_;
  Control* controls_;  // one a worker
  std::vector<SlotPool*> pools_;
  Claimer me_;
  std::vector<HintRing> rings_;   // worker-major; process-local views
  std::vector<Cursor> cursors_;   // scratch of pop_batch
  std::vector<SlotId> spared_;    // always empty
};

}  // namespace clipper
