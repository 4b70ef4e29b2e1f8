// A histogram of non-negative integers with logarithmic buckets: fixed memory, a few nanoseconds a value.
//
// The shape is HdrHistogram's: every octave [2^k, 2^(k+1)) is cut into 32 equal buckets, so a bucket is never wider
// than 1/32 (3.1%) of its lowest value, and values below 64 are exact. Adding two histograms adds their buckets,
// which is what makes counts of several workers one count (an average of percentiles would mean nothing).
//
// Owner: one thread writes and reads; there are no atomics. The unit is the caller's and stands in the field's name
// (`latency_us`); 32 value bits hold 71 minutes in microseconds.
#pragma once
#include <cmath>
#include <cstdint>

namespace clipper {

struct Histogram {
  static constexpr uint32_t kSubBucketBits = 5;
  static constexpr uint32_t kSubBuckets = 1u << kSubBucketBits;  // buckets in an octave
  static constexpr uint32_t kValueBits = 32;
  static constexpr uint64_t kMaxValue = (uint64_t{1} << kValueBits) - 1;  // larger values are recorded as this one
  static constexpr uint32_t kBuckets = (kValueBits - kSubBucketBits + 1) * kSubBuckets;

  uint64_t count = 0;
  uint64_t sum = 0;
  uint64_t max = 0;
  uint64_t counts[kBuckets] = {};

  // Without a branch: OR-ing 32 in makes the first two octaves (0..63) share shift 0, where a bucket is one value.
  static uint32_t bucket_of(uint64_t value) noexcept {
    if (value > kMaxValue) value = kMaxValue;
    const uint32_t shift = 63u - static_cast<uint32_t>(__builtin_clzll(value | kSubBuckets)) - kSubBucketBits;
    return shift * kSubBuckets + static_cast<uint32_t>(value >> shift);
  }
  static uint64_t lowest_of(uint32_t bucket) noexcept {
    if (bucket < 2 * kSubBuckets) return bucket;
    const uint32_t shift = bucket / kSubBuckets - 1;
    return (uint64_t{bucket % kSubBuckets} + kSubBuckets) << shift;
  }
  static uint64_t highest_of(uint32_t bucket) noexcept {
    const uint32_t shift = bucket < 2 * kSubBuckets ? 0 : bucket / kSubBuckets - 1;
    return lowest_of(bucket) + (uint64_t{1} << shift) - 1;
  }

  void record(uint64_t value) noexcept { record(value, 1); }

  // The same value `times` times: the queries of one batch share its stage durations.
  void record(uint64_t value, uint64_t times) noexcept {
    if (value > kMaxValue) value = kMaxValue;
    counts[bucket_of(value)] += times;
    count += times;
    sum += value * times;
    if (value > max && times != 0) max = value;
  }

  void merge(const Histogram& other) noexcept {
    for (uint32_t bucket = 0; bucket < kBuckets; ++bucket) counts[bucket] += other.counts[bucket];
    count += other.count;
    sum += other.sum;
    if (other.max > max) max = other.max;
  }

  void clear() noexcept { *this = Histogram(); }

  // The smallest recorded value v such that at least `ratio` (0..1) of all values are <= v, rounded up to the highest
  // value of its bucket (never above `max`). 0 when nothing was recorded.
  uint64_t percentile(double ratio) const noexcept {
    if (count == 0) return 0;
    const double exact_rank = std::ceil(ratio * static_cast<double>(count));
    const uint64_t rank = exact_rank < 1 ? 1 : static_cast<uint64_t>(exact_rank);
    uint64_t seen = 0;
    for (uint32_t bucket = 0; bucket < kBuckets; ++bucket) {
      seen += counts[bucket];
      if (seen >= rank) return highest_of(bucket) < max ? highest_of(bucket) : max;
    }
    return max;
  }
};

}  // namespace clipper
