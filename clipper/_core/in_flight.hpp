// What a replica has in hand: the batch in service and, where one was sent ahead, the batch behind it.
//
// A container evaluates its batches in the order in which they came; results are matched by id all the same, and the id
// of a batch that was given up is simply not found.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "debug_check.hpp"

namespace clipper {

struct InFlightBatch {
  uint64_t id = 0;            // on the wire; never used again
  uint64_t sent_us = 0;
  uint64_t predicted_us = 0;  // time in service, as predicted when it was sent; 0 = nothing was known
  bool was_full = false;      // as large as the controller allowed
  bool is_probe = false;      // the model's sample, which nobody waits for
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
    InFlightBatch& batch = batches_[count_++];
    std::vector<uint32_t> slots = std::move(batch.slots);  // keeps its capacity
    slots.clear();
    batch = InFlightBatch{};
    batch.id = id;
    batch.sent_us = now_us;
    batch.slots = std::move(slots);
    return batch;
  }

  // Removes a batch of the table; those behind it move up.
  void end(InFlightBatch* batch) noexcept {
    CLIPPER_INVARIANT(batch >= batches_.data() && batch < batches_.data() + count_);
    for (InFlightBatch* next = batch + 1; next < batches_.data() + count_; ++next) std::swap(*(next - 1), *next);
    --count_;
  }

 private:
  std::array<InFlightBatch, kDepth> batches_;
  size_t count_ = 0;
};

}  // namespace clipper
