// Finds the entry of a key: open addressing with linear probing over 8-byte slots (32 bits of the key, entry number).
//
// The table is made for the largest number of entries that the cache's budget allows and never rehashes (LazyArray);
// its slots number 1.5 times that, so it is at most two thirds full and a search looks at one or two cache lines.
// Removal shifts the run behind the hole back instead of leaving a tombstone, so a table that has seen ten million
// keys is as fast as a new one. Only the tag is needed for that, no entry is touched.
#pragma once
#include <cstdint>

#include "lazy_array.hpp"

namespace clipper {

class CacheIndex {
 public:
  static constexpr uint32_t kNone = UINT32_MAX;

  // Slots for at most `capacity` entries, capacity < 2^31.
  explicit CacheIndex(uint32_t capacity) : slots_(slots_for(capacity)) {}

  static uint64_t slots_for(uint32_t capacity) noexcept {
    return capacity == 0 ? 0 : uint64_t{capacity} + capacity / 2 + 1;
  }
  static uint64_t bytes_for(uint32_t capacity) noexcept { return slots_for(capacity) * sizeof(Slot); }

  // The entry with this tag for which matches(entry) holds; kNone if there is none.
  template <typename Matches>
  uint32_t find(uint32_t tag, Matches&& matches) const noexcept {
    for (uint64_t i = home(tag);; i = after(i)) {
      const Slot slot = slots_[i];
      if (slot.entry_plus_one == 0) return kNone;
      if (slot.tag == tag && matches(slot.entry_plus_one - 1)) return slot.entry_plus_one - 1;
    }
  }

  // The caller keeps to the capacity, so there is always a free slot.
  void insert(uint32_t tag, uint32_t entry) noexcept {
    uint64_t i = home(tag);
    while (slots_[i].entry_plus_one != 0) i = after(i);
    slots_[i] = Slot{tag, entry + 1};
  }

  // `entry`, which is in the table, has moved to `new_entry`.
  void relabel(uint32_t tag, uint32_t entry, uint32_t new_entry) noexcept {
    slots_[slot_of(tag, entry)].entry_plus_one = new_entry + 1;
  }

  // Removes an entry that is in the table.
  void erase(uint32_t tag, uint32_t entry) noexcept {
    uint64_t hole = slot_of(tag, entry);
    for (uint64_t i = after(hole); slots_[i].entry_plus_one != 0; i = after(i)) {
      // A slot may move into the hole unless that lies before its home.
      if (distance(home(slots_[i].tag), i) >= distance(hole, i)) {
        slots_[hole] = slots_[i];
        hole = i;
      }
    }
    slots_[hole] = Slot{0, 0};
  }

  // How many slots are taken: a walk over the whole table, for tests.
  uint64_t count() const noexcept {
    uint64_t taken = 0;
    for (uint64_t i = 0; i < slots_.size(); ++i) taken += slots_[i].entry_plus_one != 0;
    return taken;
  }

 private:
  struct Slot {
    uint32_t tag, entry_plus_one;  // 0: empty
  };

  uint64_t home(uint32_t tag) const noexcept { return (uint64_t{tag} * slots_.size()) >> 32; }
  uint64_t after(uint64_t i) const noexcept { return ++i == slots_.size() ? 0 : i; }
  uint64_t distance(uint64_t from, uint64_t to) const noexcept {
    return to >= from ? to - from : to + slots_.size() - from;
  }
  uint64_t slot_of(uint32_t tag, uint32_t entry) const noexcept {
    uint64_t i = home(tag);
    while (slots_[i].entry_plus_one != entry + 1) i = after(i);
    return i;
  }

  LazyArray<Slot> slots_;
};

}  // namespace clipper
