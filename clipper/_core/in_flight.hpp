// What a replica has in hand: the batch in service and, where one was sent ahead, the batch behind it.
//
// A container evaluates its batches in the order in which they came; results are matched by id all the same, and the id
// of a batch that was given up is simply not found.
//
// A batch that is stuck may have a twin: a batch on another replica that holds some of the same tasks, in the same
// order. The tasks belong to whichever of the two is answered first; in the other their places become kAnswered.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "debug_check.hpp"

namespace clipper {

constexpr uint32_t kAnswered = 0xffffffffu;    // in the place of a task whose twin was faster; no slot has this number
constexpr uint64_t kNeverUs = ~uint64_t{0};

struct InFlightBatch {
  uint64_t id = 0;            // on the wire; never used again
  uint64_t sent_us = 0;
  uint64_t predicted_us = 0;  // time in service, as predicted when it was sent; 0 = nothing was known
  uint64_t hedge_us = kNeverUs;  // from when on it counts as stuck
  bool was_full = false;      // as large as the controller allowed
  bool is_probe = false;      // the model's sample, which nobody waits for
  bool is_hedge = false;      // the later one of two twins
  bool has_failed = false;    // answered with an error; said before take_result
  bool was_ahead = false;     // sent while another one was in service
  void* twin_replica = nullptr;  // borrowed; whoever ends one of two twins unlinks both
  uint64_t twin_id = 0;
  std::vector<uint32_t> slots;  // its tasks, in the order of its items
};

class InFlightTable {
 public:
  static constexpr size_t kDepth = 2;  // the batch in service and one ahead

  bool empty() const noexcept { return count_ == 0; }
  bool has_room() const noexcept { return count_ < kDepth; }
  size_t size() const noexcept { return count_; }

  InFlightBatch& at(size_t position) noexcept { return batches_[position]; }
  InFlightBatch& front() noexcept { return batches_[0]; }

  uint64_t item_count() const noexcept {
    uint64_t items = 0;
    for (size_t i = 0; i < count_; ++i) items += batches_[i].slots.size();
    return items;
  }

  // The batch with this id, or nullptr: it was given up, or there never was one.
  InFlightBatch* find(uint64_t id) noexcept {
    for (size_t i = 0; i < count_; ++i) {
      if (batches_[i].id == id) return &batches_[i];
    }
    return nullptr;
  }

  // A new batch behind the others, without tasks. Only while has_room().
  InFlightBatch& begin(uint64_t id, uint64_t now_us) noexcept {
    CLIPPER_INVARIANT(has_room() && find(id) == nullptr);
    InFlightBatch& batch = batches_[count_];
    std::vector<uint32_t> slots = std::move(batch.slots);  // keeps its capacity
    slots.clear();
    batch = InFlightBatch{};
    batch.id = id;
    batch.sent_us = now_us;
    batch.was_ahead = count_ > 0;
    batch.slots = std::move(slots);
    ++count_;
    return batch;
  }

  // Removes a batch of the table that has no twin (any more); those behind it move up.
  void end(InFlightBatch* batch) noexcept {
    CLIPPER_INVARIANT(batch >= batches_.data() && batch < batches_.data() + count_ && batch->twin_replica == nullptr);
    for (InFlightBatch* next = batch + 1; next < batches_.data() + count_; ++next) std::swap(*(next - 1), *next);
    --count_;
  }

 private:
  std::array<InFlightBatch, kDepth> batches_;
  size_t count_ = 0;
};

// Puts kAnswered in the places of `slots` that hold a task of `others`: one of the two is a subsequence of the other.
inline void take_away(std::vector<uint32_t>& slots, const std::vector<uint32_t>& others) noexcept {
  size_t next = 0;
  if (slots.size() >= others.size()) {
    for (const uint32_t slot : others) {
      while (next < slots.size() && slots[next] != slot) ++next;
      if (next < slots.size()) slots[next++] = kAnswered;
    }
  } else {
    for (const uint32_t slot : others) {
      if (next < slots.size() && slots[next] == slot) slots[next++] = kAnswered;
    }
    CLIPPER_INVARIANT(next == slots.size());
  }
}

}  // namespace clipper
