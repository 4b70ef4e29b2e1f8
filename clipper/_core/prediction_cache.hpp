// The prediction cache: outputs by key within a byte budget, and single-flight evaluation of what is not there.
//
// Policy: S3-FIFO (Yang et al., "FIFO queues are all you need for cache eviction", SOSP '23). New entries wait in a
// small queue (a tenth of the budget); those hit while they wait move on to the main queue, the others leave and are
// remembered by fingerprint, so that one that comes back goes to the main queue at once. The main queue is FIFO with
// reinsertion. Why this one: much of what a serving system is asked is asked once (a camera frame, a user's features of
// this second), and must not flush what is asked often. On Zipf traces with 0 to 90% unique keys it beats CLOCK (the
// Clipper paper's policy), LRU and SIEVE in every cell, and where the popular keys change it is level with CLOCK or
// better, while SIEVE, simpler and nearly as good before, falls behind LRU (bench/micro/cache_hit_ratio.py). A hit
// writes one byte; no list moves. A join counts as a hit, so that a slow model's popular inputs are popular.
//
// Nothing here takes long, whatever the number of entries:
//  * no table ever grows or rehashes (lazy_array.hpp); entries close up one for one as they leave (cache_entry.hpp);
//  * one call evicts at most kMaxEvictions entries and gives at most kMaxSecondChances entries a second chance; if
//    that does not make enough room for an output, it is not kept (the next one finds the room);
//  * remove_model is O(1): a version's entries form a list, which from then on is dead: never served, no longer
//    counted as resident, and the first to go. Each begin and put frees up to kReclaimPerCall of them.
//
// Budget: the index, the ghost and 72 bytes an entry (64, and an eighth for holes), plus what malloc takes for the
// output. Above it stay at most 128 KiB of pages (CacheEntryPool::kSpareEntries twice), what malloc wastes between
// outputs of mixed sizes, and a record per model version ever seen. In-flight marks count too. Time is an argument; one
// thread; one reference of each kept Output is ours.
#pragma once
#include <cstdint>
#include <new>
#include <unordered_map>
#include <vector>

#include "cache_entry.hpp"
#include "cache_ghost.hpp"
#include "cache_index.hpp"

namespace clipper {

enum class FetchResult : uint8_t { Miss = 0, Hit = 1, Join = 2 };

struct CacheCounters {
  uint64_t hits = 0, joins = 0, misses = 0;  // every fetch is one of them
  uint64_t evictions = 0;                    // to make room; not: expired, replaced or removed
  uint64_t expirations = 0;                  // found by a fetch to be past their time
  uint64_t refusals = 0;                     // puts that found no room in the budget
  uint64_t resident_entries = 0, resident_bytes = 0;  // what can be hit, with its overhead
  uint64_t in_flight = 0;                    // marks
};

class PredictionCache {
 public:
  static constexpr uint64_t kEntryBytes = sizeof(CacheEntry) + sizeof(CacheEntry) / 8;
  static constexpr uint64_t kMinOutputBytes = 32;  // glibc's smallest chunk
  static constexpr uint32_t kMaxFrequency = 3;
  static constexpr uint32_t kMaxEvictions = 256;      // with the next,
  static constexpr uint32_t kMaxSecondChances = 512;  // at most about 100 us a call
  static constexpr uint32_t kReclaimPerCall = 8;

  // budget_bytes = 0 (or too few for one entry) disables: every fetch is a miss, nothing is joined or kept.
  // Throws std::bad_alloc if the address space is refused.
  explicit PredictionCache(uint64_t budget_bytes)
      : capacity_(capacity_for(budget_bytes)), fixed_bytes_(fixed_bytes_for(capacity_)),
        limit_bytes_(budget_bytes - fixed_bytes_), index_(capacity_), ghost_(capacity_), entries_(capacity_) {}
  PredictionCache(const PredictionCache&) = delete;
  PredictionCache& operator=(const PredictionCache&) = delete;
  ~PredictionCache() {
    for (uint32_t i = 0; i < entries_.top(); ++i) {
      if (entries_[i].state == CacheEntryState::Resident) entries_[i].output->release();
    }
  }

  // Hit: *output is borrowed until the next call; retain it to keep it. Join: the same input is being evaluated, in
  // *slot. Miss: evaluate it, and say so by begin().
  FetchResult fetch(const CacheKey& key, uint64_t now_us, Output** output, uint32_t* slot) noexcept {
    const uint32_t index = find(key);
    if (index != kNoEntry) {
      CacheEntry& entry = entries_[index];
      if (entry.state == CacheEntryState::InFlight) {
        touch(entry);
        *slot = entry.slot;
        ++counters_.joins;
        return FetchResult::Join;
      }
      const bool removed = models_[entry.model].removed;
      if (!removed && (entry.expires_us == 0 || now_us < entry.expires_us)) {
        touch(entry);
        *output = entry.output;
        ++counters_.hits;
        return FetchResult::Hit;
      }
      if (!removed) ++counters_.expirations;
      drop(index);
      compact();
    }
    ++counters_.misses;
    return FetchResult::Miss;
  }

  // The output under a key, borrowed until the next call; null if it is not there. Counts as no use of it.
  Output* peek(const CacheKey& key, uint64_t now_us) const noexcept {
    const uint32_t index = find(key);
    if (index == kNoEntry || entries_[index].state != CacheEntryState::Resident || dead(index)) return nullptr;
    const CacheEntry& entry = entries_[index];
    return entry.expires_us == 0 || now_us < entry.expires_us ? entry.output : nullptr;
  }

  // Whether an evaluation is marked that will put the output, or abandon it.
  bool is_in_flight(const CacheKey& key) const noexcept {
    const uint32_t index = find(key);
    return index != kNoEntry && entries_[index].state == CacheEntryState::InFlight;
  }

  // After a miss: the input is in flight in `slot`; until put() or abandon(), fetches join it. Called again, it moves
  // the mark to another slot. Without room for a mark, or for a removed version, nothing is marked: then nobody joins.
  void begin(const CacheKey& key, uint64_t model_uid, uint32_t slot) noexcept {
    if (capacity_ == 0) return;
    reclaim_some();
    const uint32_t model = model_of(model_uid);
    if (model != kNoModel && !models_[model].removed) mark(key, model, slot);
    compact();
  }

  // The evaluation is done: retains the output, to serve it until expires_us (0 = for ever), and ends the mark, if
  // there is one. An output of a removed version, or one without room in the budget, is not kept.
  void put(const CacheKey& key, Output* output, uint64_t model_uid, uint64_t expires_us) noexcept {
    if (capacity_ == 0) return;
    reclaim_some();
    uint32_t index = find(key);
    if (index != kNoEntry && (entries_[index].state == CacheEntryState::Resident || dead(index))) {
      const bool unwanted = entries_[index].state == CacheEntryState::InFlight;
      drop(index);
      index = kNoEntry;
      if (unwanted) return compact();
    }
    const uint32_t model = model_of(model_uid);
    const uint64_t needed_bytes = output_bytes(output) + (index == kNoEntry ? kEntryBytes : 0);
    const bool wanted = model != kNoModel && !models_[model].removed;
    if (wanted && make_room(needed_bytes, index == kNoEntry ? 1 : 0)) {
      if (index == kNoEntry) index = add(key);
      else --counters_.in_flight;
      keep(index, output, model, expires_us);
    } else {
      counters_.refusals += wanted;
      if (index != kNoEntry) drop(index);
    }
    compact();
  }

  // The evaluation failed, was dropped or lost: ends the mark, if there is one.
  void abandon(const CacheKey& key) noexcept {
    const uint32_t index = find(key);
    if (index == kNoEntry || entries_[index].state != CacheEntryState::InFlight) return;
    drop(index);
    compact();
  }

  // No entry of the version is served from now on, and none of its later puts is kept. Uids are not used again.
  void remove_model(uint64_t model_uid) noexcept {
    const uint32_t model = capacity_ == 0 ? kNoModel : model_of(model_uid);
    if (model == kNoModel || models_[model].removed) return;
    Model& record = models_[model];
    record.removed = true;
    counters_.resident_entries -= record.entries;
    counters_.resident_bytes -= record.bytes;
    record.next_removed = removed_;
    removed_ = model;
    reclaim_some();
    compact();
  }

  // Frees up to `count` entries of removed versions; false if there were fewer. For a caller with time to spare.
  bool reclaim(uint32_t count) noexcept {
    bool found = true;
    for (; count > 0 && (found = reclaim_one()); --count) {}
    compact();
    return found;
  }

  const CacheCounters& counters() const noexcept { return counters_; }
  // All that the budget covers: tables, marks, resident entries and those of removed versions not yet reclaimed.
  uint64_t memory_bytes() const noexcept { return fixed_bytes_ + used_bytes_; }
  uint32_t capacity() const noexcept { return capacity_; }  // entries and marks at most, whatever their size

  // What malloc takes for it: eight bytes of its own, in steps of sixteen.
  static uint64_t output_bytes(const Output* output) noexcept {
    const uint64_t bytes = (offsetof(Output, text) + uint64_t{output->bytes} + 8 + 15) & ~uint64_t{15};
    return bytes < kMinOutputBytes ? kMinOutputBytes : bytes;
  }

  // What is wrong within; nullptr if nothing is. Walks everything: for tests and debug builds (cache_check.hpp).
  const char* broken_invariant() const;

 private:
  static constexpr uint32_t kNoModel = UINT32_MAX;

  // One for each version ever seen: it must be known for good that a version was removed.
  struct Model {
    uint64_t uid;
    uint64_t bytes = 0;
    uint32_t entries = 0;
    uint32_t next_removed = kNoModel;
    bool removed = false;
    CacheList<&CacheEntry::of_model> list;  // its resident entries
    explicit Model(uint64_t model_uid) : uid(model_uid) {}
  };
  struct Queue {
    CacheList<&CacheEntry::order> list;
    uint64_t bytes = 0;
  };

  static uint64_t fixed_bytes_for(uint32_t capacity) noexcept {
    return CacheIndex::bytes_for(capacity) + CacheGhost::bytes_for(capacity);
  }
  // As many as fit if every output is of the smallest size: 12 bytes of index and 8 of ghost each.
  static uint32_t capacity_for(uint64_t budget_bytes) noexcept {
    uint64_t capacity = budget_bytes / (kEntryBytes + kMinOutputBytes + 12 + 8);
    if (capacity > UINT32_MAX / 4) capacity = UINT32_MAX / 4;
    while (capacity > 0 && fixed_bytes_for(static_cast<uint32_t>(capacity)) + kEntryBytes > budget_bytes) --capacity;
    return static_cast<uint32_t>(capacity);
  }

  static uint32_t tag_of(const CacheKey& key) noexcept { return static_cast<uint32_t>(key.high >> 32); }
  static void touch(CacheEntry& entry) noexcept { entry.frequency += entry.frequency < kMaxFrequency; }
  bool dead(uint32_t index) const noexcept { return models_[entries_[index].model].removed; }
  Queue& queue_of(const CacheEntry& entry) noexcept { return entry.in_main ? main_ : small_; }

  uint32_t find(const CacheKey& key) const noexcept {
    if (capacity_ == 0) return kNoEntry;
    return index_.find(tag_of(key), [&](uint32_t index) { return entries_[index].key == key; });
  }

  // The record of a version, made if it is new; kNoModel without memory for it.
  uint32_t model_of(uint64_t uid) noexcept {
    if (last_model_ != kNoModel && models_[last_model_].uid == uid) return last_model_;
    try {
      if (models_.size() == models_.capacity()) models_.reserve(2 * models_.size() + 8);  // may throw: so it goes first
      const auto found = model_index_.emplace(uid, static_cast<uint32_t>(models_.size())).first;
      if (found->second == models_.size()) models_.emplace_back(uid);
      return last_model_ = found->second;
    } catch (const std::bad_alloc&) {
      return kNoModel;
    }
  }

  uint32_t add(const CacheKey& key) noexcept {
    const uint32_t index = entries_.acquire();
    entries_[index].key = key;
    index_.insert(tag_of(key), index);
    used_bytes_ += kEntryBytes;
    return index;
  }

  void mark(const CacheKey& key, uint32_t model, uint32_t slot) noexcept {
    uint32_t index = find(key);
    if (index != kNoEntry && entries_[index].state == CacheEntryState::Resident) {
      if (!dead(index)) return;
      drop(index);
      index = kNoEntry;
    }
    if (index == kNoEntry) {
      if (!make_room(kEntryBytes, 1)) return;
      index = add(key);
      entries_[index].state = CacheEntryState::InFlight;
      ++counters_.in_flight;
    }
    entries_[index].model = model;
    entries_[index].slot = slot;
  }

  // Makes an entry that is in neither queue resident.
  void keep(uint32_t index, Output* output, uint32_t model, uint64_t expires_us) noexcept {
    CacheEntry& entry = entries_[index];
    const uint64_t bytes = output_bytes(output);
    entry.state = CacheEntryState::Resident;
    entry.output = output->retain();
    entry.expires_us = expires_us;
    entry.model = model;
    enqueue(index, ghost_.recall(entry.key, entries_.in_use()));
    used_bytes_ += bytes;
    Model& record = models_[model];
    record.list.push(entries_.data(), index);
    ++record.entries;
    record.bytes += kEntryBytes + bytes;
    ++counters_.resident_entries;
    counters_.resident_bytes += kEntryBytes + bytes;
  }

  void enqueue(uint32_t index, bool in_main) noexcept {
    entries_[index].in_main = in_main;
    Queue& queue = queue_of(entries_[index]);
    queue.list.push(entries_.data(), index);
    queue.bytes += kEntryBytes + output_bytes(entries_[index].output);
  }
  void dequeue(uint32_t index) noexcept {
    Queue& queue = queue_of(entries_[index]);
    queue.list.unlink(entries_.data(), index);
    queue.bytes -= kEntryBytes + output_bytes(entries_[index].output);
  }

  // Takes a mark or a resident entry out of everything.
  void drop(uint32_t index) noexcept {
    CacheEntry& entry = entries_[index];
    index_.erase(tag_of(entry.key), index);
    used_bytes_ -= kEntryBytes;
    if (entry.state == CacheEntryState::InFlight) {
      --counters_.in_flight;
    } else {
      dequeue(index);
      const uint64_t bytes = output_bytes(entry.output);
      used_bytes_ -= bytes;
      Model& record = models_[entry.model];
      record.list.unlink(entries_.data(), index);
      --record.entries;
      record.bytes -= kEntryBytes + bytes;
      if (!record.removed) {
        --counters_.resident_entries;
        counters_.resident_bytes -= kEntryBytes + bytes;
      }
      entry.output->release();
    }
    entries_.release(index);
  }

  bool reclaim_one() noexcept {
    while (removed_ != kNoModel && models_[removed_].list.empty()) removed_ = models_[removed_].next_removed;
    if (removed_ == kNoModel) return false;
    drop(models_[removed_].list.newest);
    return true;
  }
  void reclaim_some() noexcept {
    for (uint32_t i = 0; i < kReclaimPerCall && reclaim_one(); ++i) {}
  }

  bool make_room(uint64_t bytes, uint32_t entries) noexcept {
    if (bytes > limit_bytes_) return false;
    uint32_t second_chances = kMaxSecondChances;
    const auto fits = [&] { return used_bytes_ + bytes <= limit_bytes_ && entries_.in_use() + entries <= capacity_; };
    for (uint32_t evicted = 0; !fits(); ++evicted) {
      if (evicted == kMaxEvictions || !evict_one(second_chances)) return false;
    }
    return true;
  }

  // The entries of removed versions go first, so the queues hold none of them when their turn comes.
  bool evict_one(uint32_t& second_chances) noexcept {
    if (reclaim_one()) return true;
    for (;;) {
      const bool from_small = !small_.list.empty() && (main_.list.empty() || small_.bytes >= limit_bytes_ / 10);
      const uint32_t index = (from_small ? small_ : main_).list.oldest;
      if (index == kNoEntry) return false;
      CacheEntry& entry = entries_[index];
      if (entry.frequency == 0 || second_chances == 0) {
        if (from_small) ghost_.remember(entry.key);
        drop(index);
        ++counters_.evictions;
        return true;
      }
      --second_chances;
      entry.frequency = from_small ? 0 : entry.frequency - 1;
      dequeue(index);
      enqueue(index, true);
    }
  }

  void compact() noexcept {
    entries_.compact([this](uint32_t from, uint32_t to) {
      entries_[to] = entries_[from];
      const CacheEntry& entry = entries_[to];
      index_.relabel(tag_of(entry.key), from, to);
      if (entry.state != CacheEntryState::Resident) return;
      queue_of(entry).list.moved(entries_.data(), to);
      models_[entry.model].list.moved(entries_.data(), to);
    });
  }

  const uint32_t capacity_;
  const uint64_t fixed_bytes_;  // index and ghost
  const uint64_t limit_bytes_;  // what is left for entries and outputs
  uint64_t used_bytes_ = 0;     // of limit_bytes_
  CacheIndex index_;
  CacheGhost ghost_;
  CacheEntryPool entries_;
  Queue small_, main_;
  std::vector<Model> models_;
  std::unordered_map<uint64_t, uint32_t> model_index_;
  uint32_t last_model_ = kNoModel;
  uint32_t removed_ = kNoModel;  // removed versions whose entries are not all reclaimed
  CacheCounters counters_;
};

}  // namespace clipper
