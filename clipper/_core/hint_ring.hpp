// A ring of hints: one producer, several consumers, a fixed power of two of 64-bit cells.
//
// A hint says "look at that slot"; the slot's word decides. So nothing here has to be exact: a consumer claims the
// slot first (CAS on its word) and moves the head afterwards. If it dies in between, the hint it leaves behind is
// stale, fails the next consumer's look and is stepped over. Publishing is one release store of the tail, so a
// producer that dies before it has published nothing and leaves no hole.
//
// This object is a process-local view; head, tail and cells lie in memory that the caller provides.
#pragma once
#include <atomic>
#include <cstdint>

#include "slot_pool.hpp"
#include "slot_word.hpp"

namespace clipper {

class HintRing {
 public:
  HintRing(std::atomic<uint64_t>* head, std::atomic<uint64_t>* tail, std::atomic<uint64_t>* cells,
           uint64_t capacity) noexcept
      : head_(head), tail_(tail), cells_(cells), capacity_(capacity), mask_(capacity - 1) {}

  // ---- the one producer -------------------------------------------------------------------------------------------

  // acquire: pairs with advance(). A cell is overwritten only after its readers have gone by; one that is late all the
  // same reads a newer hint, which is no worse than a stale one.
  bool has_room() noexcept {
    const uint64_t tail = tail_->load(std::memory_order_relaxed);  // own last store, or that of the life before
    if (tail - seen_head_ < capacity_) return true;
    seen_head_ = head_->load(std::memory_order_acquire);
    return tail - seen_head_ < capacity_;
  }

  // Needs has_room(). The cell may be relaxed: consumers read it after an acquire load of the tail that this release
  // store publishes. A late consumer that reads the cell without (see has_room) syncs through the slot's word instead.
  void push(Hint hint) noexcept {
    const uint64_t tail = tail_->load(std::memory_order_relaxed);
    CLIPPER_INVARIANT(tail - head_->load(std::memory_order_relaxed) < capacity_);
    cells_[tail & mask_].store(hint, std::memory_order_relaxed);
    tail_->store(tail + 1, kPublishOrder);
  }

  // ---- any consumer -----------------------------------------------------------------------------------------------

  // acquire: whoever moved the head had seen a tail at least as far, so a tail() read after this is not behind it.
  uint64_t head() const noexcept { return head_->load(std::memory_order_acquire); }
  uint64_t tail() const noexcept { return tail_->load(std::memory_order_acquire); }
  Hint at(uint64_t position) const noexcept { return cells_[position & mask_].load(std::memory_order_relaxed); }

  // Move the head to `position`, unless somebody has moved it further. The caller has claimed, or found stale, every
  // hint before `position` that the head has not passed yet. release: pairs with head() and has_room().
  void advance(uint64_t position) noexcept {
    uint64_t head = head_->load(std::memory_order_relaxed);
    while (head < position && !head_->compare_exchange_weak(head, position, std::memory_order_acq_rel,
                                                            std::memory_order_relaxed)) {
    }
  }

  uint64_t capacity() const noexcept { return capacity_; }

 private:
  std::atomic<uint64_t>* head_;
  std::atomic<uint64_t>* tail_;
  std::atomic<uint64_t>* cells_;
  uint64_t capacity_, mask_;
  uint64_t seen_head_ = 0;  // producer's: a head that was true once, and heads only grow
};

}  // namespace clipper
