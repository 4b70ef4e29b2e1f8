// Remembers the keys that the prediction cache lately gave up unread, in eight bytes each and without a list: a key
// that comes back while it is remembered was evicted too early, and goes to the main queue at once (S3-FIFO).
//
// Fingerprint and time of eviction stand in buckets of one cache line; the oldest of a bucket makes room. Time is the
// number of evictions so far, and a fingerprint older than the caller's limit counts as forgotten. A false positive
// (two keys with the same 32 bits in the same bucket) costs one entry a longer stay, nothing else.
#pragma once
#include <cstdint>

#include "keyed_hash.hpp"
#include "lazy_array.hpp"

namespace clipper {

class CacheGhost {
 public:
  static constexpr uint32_t kBucketSlots = 8;

  explicit CacheGhost(uint32_t capacity) : buckets_(buckets_for(capacity)) {}

  static uint64_t buckets_for(uint32_t capacity) noexcept {
    return (uint64_t{capacity} + kBucketSlots - 1) / kBucketSlots;
  }
  static uint64_t bytes_for(uint32_t capacity) noexcept { return buckets_for(capacity) * sizeof(Bucket); }

  void remember(const CacheKey& key) noexcept {
    Bucket& bucket = bucket_of(key);
    uint32_t oldest = 0;
    for (uint32_t i = 1; i < kBucketSlots; ++i) {
      if (age(bucket.slots[i]) > age(bucket.slots[oldest])) oldest = i;
    }
    if (++now_ == 0) now_ = 1;  // 0 marks an empty slot
    bucket.slots[oldest] = Slot{fingerprint(key), now_};
  }

  // Was the key among the last max_age remembered? Forgets it.
  bool recall(const CacheKey& key, uint32_t max_age) noexcept {
    Bucket& bucket = bucket_of(key);
    for (Slot& slot : bucket.slots) {
      if (slot.time == 0 || slot.fingerprint != fingerprint(key)) continue;
      const bool recent = age(slot) < max_age;
      slot = Slot{0, 0};
      return recent;
    }
    return false;
  }

 private:
  struct Slot {
    uint32_t fingerprint, time;
  };
  struct alignas(64) Bucket {
    Slot slots[kBucketSlots];
  };

  // Not the half of the key that the index takes its tag from: equal tags would share a bucket.
  static uint32_t fingerprint(const CacheKey& key) noexcept { return static_cast<uint32_t>(key.low); }
  Bucket& bucket_of(const CacheKey& key) noexcept { return buckets_[((key.low >> 32) * buckets_.size()) >> 32]; }
  uint32_t age(const Slot& slot) const noexcept { return slot.time == 0 ? UINT32_MAX : now_ - slot.time; }

  LazyArray<Bucket> buckets_;
  uint32_t now_ = 0;
};

}  // namespace clipper
