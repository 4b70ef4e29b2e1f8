// What must hold within the prediction cache between any two calls. Walks everything: for tests and debug builds.
#pragma once
#include "prediction_cache.hpp"

namespace clipper {

inline const char* PredictionCache::broken_invariant() const {
  uint64_t marks = 0, residents = 0, dead_entries = 0;
  uint64_t resident_bytes = 0, used_bytes = 0, small_bytes = 0, main_bytes = 0;
  for (uint32_t i = 0; i < entries_.top(); ++i) {
    const CacheEntry& entry = entries_[i];
    if (entry.state == CacheEntryState::Free) continue;
    if (find(entry.key) != i) return "an entry is not found by its key";
    used_bytes += kEntryBytes;
    if (entry.state == CacheEntryState::InFlight) {
      ++marks;
      continue;
    }
    const uint64_t bytes = output_bytes(entry.output);
    if (entry.output->references == 0) return "a kept output was released";
    used_bytes += bytes;
    (entry.in_main ? main_bytes : small_bytes) += kEntryBytes + bytes;
    dead(i) ? ++dead_entries : ++residents;
    if (!dead(i)) resident_bytes += kEntryBytes + bytes;
  }
  if (marks != counters_.in_flight) return "in_flight is not the number of marks";
  if (residents != counters_.resident_entries) return "resident_entries is not the number of live entries";
  if (resident_bytes != counters_.resident_bytes) return "resident_bytes is not the sum of the live entries";
  if (used_bytes != used_bytes_) return "used_bytes is not the sum of all entries";
  if (used_bytes_ > limit_bytes_) return "the budget is exceeded";
  if (small_bytes != small_.bytes || main_bytes != main_.bytes) return "a queue's bytes are not the sum of its entries";
  const uint64_t in_use = marks + residents + dead_entries;
  if (in_use != entries_.in_use()) return "the pool counts other entries in use";
  if (in_use > capacity_) return "there are more entries than the index is made for";
  if (in_use != index_.count()) return "the index holds other entries than the pool";
  if (entries_.top() - in_use > CacheEntryPool::kSpareEntries + in_use / 8) return "there are too many holes";
  uint64_t queued = 0, of_models = 0;
  for (const Queue* queue : {&small_, &main_}) {
    uint32_t newer = kNoEntry;
    for (uint32_t i = queue->list.newest; i != kNoEntry; newer = i, i = entries_[i].order.older, ++queued) {
      if (entries_[i].order.newer != newer) return "a queue's links do not agree";
    }
  }
  for (const Model& model : models_) {
    uint64_t entries = 0;
    for (uint32_t i = model.list.newest; i != kNoEntry; i = entries_[i].of_model.older, ++entries) {
      if (models_[entries_[i].model].uid != model.uid) return "an entry stands in another version's list";
    }
    if (entries != model.entries) return "a version's entries are not the length of its list";
    of_models += entries;
  }
  if (queued != residents + dead_entries) return "the queues hold other entries than the resident ones";
  if (of_models != residents + dead_entries) return "the versions' lists hold other entries than the resident ones";
  return nullptr;
}

inline const char* broken_cache_invariant(const PredictionCache& cache) { return cache.broken_invariant(); }

}  // namespace clipper
