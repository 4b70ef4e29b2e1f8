// Payload memory of a slot pool: a binary buddy allocator inside memory that the caller provides.
//
// Owner-only: one process and one thread allocates and frees; others only read payloads through offsets. There are no
// atomics here. The owner may die at any point: its successor calls reset() and then reserve() for each payload that
// is still in use, so the lists need not survive a crash.
//
// The block freed last is handed out first, which keeps the touched pages few and the cache warm: each order keeps a
// short stack of "hot" blocks that are not merged (merging at once would take a lone 64-byte block 20 levels up and
// down again on every query). Beyond the stack's limit blocks merge with their buddies; when nothing else fits, the
// stacks are merged too, so a hot block never makes an allocation fail.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>

#include "debug_check.hpp"

namespace clipper {

class BuddyArena {
 public:
  static constexpr uint32_t kUnitBytes = 64;   // smallest block: one cache line, eight doubles
  static constexpr uint32_t kOrders = 27;      // largest block: 64 B << 26 = 4 GiB
  static constexpr int64_t kNoMemory = -1;

  static uint32_t units_of(uint64_t arena_bytes) noexcept { return static_cast<uint32_t>(arena_bytes / kUnitBytes); }
  // One byte a unit; the pages of units never used are never touched.
  static uint64_t meta_bytes(uint64_t arena_bytes) noexcept { return units_of(arena_bytes); }

  static constexpr uint32_t order_for(uint64_t bytes) noexcept {
    if (bytes <= kUnitBytes) return 0;
    return 64u - static_cast<uint32_t>(__builtin_clzll((bytes - 1) / kUnitBytes));
  }

  // `meta` (zero-filled) and `data` lie in the same mapping as this object; only their distances are kept.
  void init(void* meta, void* data, uint64_t arena_bytes) noexcept {
    meta_offset_ = static_cast<char*>(meta) - reinterpret_cast<char*>(this);
    data_offset_ = static_cast<char*>(data) - reinterpret_cast<char*>(this);
    units_ = units_of(arena_bytes);
    clear_lists();
    carve(0, units_);
  }

  // Offset of a block of at least `bytes`, or kNoMemory. Zero bytes take the smallest block.
  int64_t allocate(uint64_t bytes) noexcept {
    const uint32_t order = order_for(bytes);
    if (order >= kOrders) return kNoMemory;
    uint32_t unit = hot_head_[order];
    if (unit != kNone) {
      hot_head_[order] = link(unit)->next;
      --hot_count_[order];
    } else {
      unit = take(order);
      if (unit == kNone) return kNoMemory;
    }
    CLIPPER_INVARIANT((meta()[unit] & kFree) == 0);
    meta()[unit] = static_cast<uint8_t>(kUsed | order);
    used_units_ += 1u << order;
    return static_cast<int64_t>(unit) * kUnitBytes;
  }

  // `bytes` is what was asked for when `offset` was handed out.
  void free(uint64_t offset, uint64_t bytes) noexcept {
    const uint32_t order = order_for(bytes);
    const uint32_t unit = static_cast<uint32_t>(offset / kUnitBytes);
    CLIPPER_INVARIANT(unit < units_ && meta()[unit] == (kUsed | order));
    used_units_ -= 1u << order;
    if (hot_count_[order] < hot_limit(order)) {
#if CLIPPER_DEBUG
      meta()[unit] = 0;  // a second free() of the block then breaks the invariant above
#endif
      link(unit)->next = hot_head_[order];
      hot_head_[order] = unit;
      ++hot_count_[order];
    } else {
      merge(unit, order);
    }
  }

  // Forget every block: the first step of recovery after the owner's death.
  void reset() noexcept {
    std::memset(meta(), 0, units_);
    clear_lists();
    carve(0, units_);
  }

  // Mark the block that held `bytes` at `offset` as used again; only between reset() and the first allocate().
  void reserve(uint64_t offset, uint64_t bytes) noexcept {
    const uint32_t wanted = order_for(bytes);
    const uint32_t unit = static_cast<uint32_t>(offset / kUnitBytes);
    uint32_t order = wanted;
    uint32_t block = unit;
    while (meta()[block] != (kFree | order)) {  // the free block that contains it
      if (++order >= kOrders) {
        CLIPPER_INVARIANT(false && "reserved twice, or outside the arena");
        return;
      }
      block = unit & ~((1u << order) - 1);
    }
    unlink(block, order);
    while (order > wanted) {
      --order;
      const uint32_t upper = block + (1u << order);
      const bool in_upper = unit >= upper;
      push_free(in_upper ? block : upper, order);
      if (in_upper) block = upper;
    }
    meta()[unit] = static_cast<uint8_t>(kUsed | wanted);
    used_units_ += 1u << wanted;
  }

  char* at(uint64_t offset) noexcept { return reinterpret_cast<char*>(this) + data_offset_ + offset; }
  uint64_t used_bytes() const noexcept { return static_cast<uint64_t>(used_units_) * kUnitBytes; }
  uint64_t capacity_bytes() const noexcept { return static_cast<uint64_t>(units_) * kUnitBytes; }

 private:
  static constexpr uint32_t kNone = 0xffffffffu;
  static constexpr uint8_t kFree = 0x80, kUsed = 0x40;  // meta of a block's first unit; 0 inside a block
  static constexpr uint32_t kHotUnits = 16384;          // at most 1 MiB and 256 blocks an order stay unmerged
  static constexpr uint32_t kHotBlocks = 256;

  struct Link {  // lives in the first bytes of a free block
    uint32_t next;
    uint32_t previous;  // unused in the hot stacks
  };

  static constexpr uint32_t hot_limit(uint32_t order) noexcept {
    const uint32_t fits = kHotUnits >> order;
    return fits < kHotBlocks ? fits : kHotBlocks;
  }

  uint8_t* meta() noexcept { return reinterpret_cast<uint8_t*>(this) + meta_offset_; }
  Link* link(uint32_t unit) noexcept { return reinterpret_cast<Link*>(at(static_cast<uint64_t>(unit) * kUnitBytes)); }

  void clear_lists() noexcept {
    for (uint32_t order = 0; order < kOrders; ++order) {
      free_head_[order] = hot_head_[order] = kNone;
      hot_count_[order] = 0;
    }
    nonempty_ = 0;
    used_units_ = 0;
  }

  // Give [begin, end) to the free lists as the largest aligned blocks that fit; the lowest addresses are used first.
  void carve(uint32_t begin, uint32_t end) noexcept {
    while (begin < end) {
      uint32_t order = begin == 0 ? kOrders - 1 : static_cast<uint32_t>(__builtin_ctz(begin));
      while (order >= kOrders || (uint64_t{1} << order) > end - begin) --order;
      push_free(begin, order);
      begin += 1u << order;
    }
  }

  uint32_t take(uint32_t order) noexcept {
    uint32_t candidates = nonempty_ >> order;
    if (candidates == 0) {
      if (!merge_hot()) return kNone;
      candidates = nonempty_ >> order;
      if (candidates == 0) return kNone;
    }
    uint32_t from = order + static_cast<uint32_t>(__builtin_ctz(candidates));
    const uint32_t unit = free_head_[from];
    unlink(unit, from);
    while (from > order) {
      --from;
      push_free(unit + (1u << from), from);
    }
    return unit;
  }

  void merge(uint32_t unit, uint32_t order) noexcept {
    meta()[unit] = 0;
    while (order + 1 < kOrders) {
      const uint32_t buddy = unit ^ (1u << order);
      if (buddy >= units_ || meta()[buddy] != (kFree | order)) break;
      unlink(buddy, order);
      unit &= ~(1u << order);
      ++order;
    }
    push_free(unit, order);
  }

  // Merge all hot blocks: at most 256 an order, and only when nothing else fits. False if there were none.
  bool merge_hot() noexcept {
    bool any = false;
    for (uint32_t order = 0; order < kOrders; ++order) {
      while (hot_head_[order] != kNone) {
        const uint32_t unit = hot_head_[order];
        hot_head_[order] = link(unit)->next;
        merge(unit, order);
        any = true;
      }
      hot_count_[order] = 0;
    }
    return any;
  }

  void push_free(uint32_t unit, uint32_t order) noexcept {
    const uint32_t next = free_head_[order];
    ::new (static_cast<void*>(link(unit))) Link{next, kNone};
    if (next != kNone) link(next)->previous = unit;
    free_head_[order] = unit;
    nonempty_ |= 1u << order;
    meta()[unit] = static_cast<uint8_t>(kFree | order);
  }

  void unlink(uint32_t unit, uint32_t order) noexcept {
    const Link node = *link(unit);
    CLIPPER_INVARIANT(meta()[unit] == (kFree | order));
    if (node.previous == kNone) {
      free_head_[order] = node.next;
      if (node.next == kNone) nonempty_ &= ~(1u << order);
    } else {
      link(node.previous)->next = node.next;
    }
    if (node.next != kNone) link(node.next)->previous = node.previous;
    meta()[unit] = 0;
  }

  int64_t meta_offset_, data_offset_;  // from this object
  uint32_t units_, used_units_;
  uint32_t nonempty_;                  // bit k: the free list of order k is not empty
  uint32_t free_head_[kOrders], hot_head_[kOrders], hot_count_[kOrders];
};

}  // namespace clipper
