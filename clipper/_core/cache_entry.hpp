// One entry of the prediction cache, the lists that entries stand in, and the pool that they come from.
//
// Entries are numbered, not pointed to: four bytes a link, and an entry can move. The pool keeps the entries in use
// nearly dense, moving the last one into a hole when there are too many holes, and gives the pages behind it back to
// the kernel: so many small answers, once replaced by fewer large ones, leave no memory behind that the budget does not
// know of.
#pragma once
#include <cstdint>

#include "keyed_hash.hpp"
#include "lazy_array.hpp"
#include "output.hpp"

namespace clipper {

constexpr uint32_t kNoEntry = UINT32_MAX;

enum class CacheEntryState : uint8_t { Free = 0, InFlight = 1, Resident = 2 };

struct CacheLink {
  uint32_t newer, older;  // kNoEntry at the ends
};

// One cache line.
struct alignas(64) CacheEntry {
  CacheKey key;
  Output* output;          // Resident: one reference is ours
  uint64_t expires_us;     // Resident: not served from then on; 0 = never
  CacheLink order;         // Resident: in its queue, by arrival; Free: in the list of holes
  CacheLink of_model;      // Resident: among the entries of its model version
  uint32_t model;          // InFlight, Resident: index of the model version's record
  uint32_t slot;           // InFlight: the evaluating task's slot
  CacheEntryState state;
  uint8_t frequency;       // InFlight, Resident: recent hits and joins, at most kMaxFrequency
  bool in_main;            // Resident: which of the two queues it stands in
};
static_assert(sizeof(CacheEntry) == 64, "the budget counts on 64 bytes an entry");

// A doubly linked list of entries through one of their links.
template <CacheLink CacheEntry::*kLink>
struct CacheList {
  uint32_t newest = kNoEntry, oldest = kNoEntry;

  bool empty() const noexcept { return newest == kNoEntry; }

  void push(CacheEntry* entries, uint32_t index) noexcept {
    entries[index].*kLink = CacheLink{kNoEntry, newest};
    (newest == kNoEntry ? oldest : (entries[newest].*kLink).newer) = index;
    newest = index;
  }
  void unlink(CacheEntry* entries, uint32_t index) noexcept { join(entries, entries[index].*kLink); }

  // The entry, copied to another place with its link, is to stand there for itself.
  void moved(CacheEntry* entries, uint32_t to) noexcept {
    const CacheLink link = entries[to].*kLink;
    (link.newer == kNoEntry ? newest : (entries[link.newer].*kLink).older) = to;
    (link.older == kNoEntry ? oldest : (entries[link.older].*kLink).newer) = to;
  }

 private:
  void join(CacheEntry* entries, const CacheLink link) noexcept {
    (link.newer == kNoEntry ? newest : (entries[link.newer].*kLink).older) = link.older;
    (link.older == kNoEntry ? oldest : (entries[link.older].*kLink).newer) = link.newer;
  }
};

class CacheEntryPool {
 public:
  // Holes that are never worth closing, and entries' worth of pages that are not worth giving back: 64 KiB each.
  static constexpr uint32_t kSpareEntries = 1024;

  explicit CacheEntryPool(uint32_t capacity) : entries_(capacity) {}

  CacheEntry* data() noexcept { return entries_.data(); }
  const CacheEntry* data() const noexcept { return entries_.data(); }
  CacheEntry& operator[](uint32_t index) noexcept { return entries_[index]; }
  const CacheEntry& operator[](uint32_t index) const noexcept { return entries_[index]; }
  uint32_t capacity() const noexcept { return static_cast<uint32_t>(entries_.size()); }
  uint32_t in_use() const noexcept { return in_use_; }
  uint32_t top() const noexcept { return top_; }  // entries from here on are untouched or given back

  // The caller keeps to the capacity. The last hole first: its cache line is the likeliest to be at hand.
  uint32_t acquire() noexcept {
    const uint32_t index = holes_.empty() ? top_ : holes_.newest;
    if (index == top_) ++top_;
    else holes_.unlink(entries_.data(), index);
    if (top_ > touched_) touched_ = top_;
    ++in_use_;
    entries_[index] = CacheEntry{};
    return index;
  }

  void release(uint32_t index) noexcept {
    entries_[index].state = CacheEntryState::Free;
    holes_.push(entries_.data(), index);
    --in_use_;
  }

  // Closes holes until they are an eighth of the entries in use and kSpareEntries at most. move(from, to) must copy the
  // entry and mend every reference to it. O(1) for each release since the last call.
  template <typename Move>
  void compact(Move&& move) noexcept {
    while (top_ - in_use_ > kSpareEntries + in_use_ / 8) {
      const uint32_t last = top_ - 1;
      if (entries_[last].state == CacheEntryState::Free) {
        holes_.unlink(entries_.data(), last);
      } else {
        const uint32_t hole = holes_.newest;
        holes_.unlink(entries_.data(), hole);
        move(last, hole);
      }
      --top_;
    }
    if (touched_ - top_ >= kSpareEntries) {
      entries_.release(top_, touched_);
      touched_ = top_;
    }
  }

 private:
  LazyArray<CacheEntry> entries_;
  CacheList<&CacheEntry::order> holes_;
  uint32_t top_ = 0;
  uint32_t touched_ = 0;  // entries below may hold pages
  uint32_t in_use_ = 0;
};

}  // namespace clipper
