// Logarithmic histogram of durations, after HdrHistogram: 128 linear sub-buckets per power of two, so that a value is
// known to better than 0.8% from nanoseconds to hours, in fixed memory. clipper/bench/histogram.py is its twin.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <vector>

namespace clipper::load {

class LogHistogram {
 public:
  static constexpr unsigned kSubBits = 7;
  static constexpr uint64_t kSubCount = uint64_t{1} << kSubBits;
  static constexpr size_t kBucketCount = (64 - kSubBits + 1) * kSubCount;

  LogHistogram() : counts_(kBucketCount, 0) {}

  static size_t bucket_of(uint64_t value) noexcept {
    if (value < kSubCount) return static_cast<size_t>(value);
    const unsigned shift = 63u - static_cast<unsigned>(__builtin_clzll(value)) - kSubBits;
    return static_cast<size_t>((uint64_t{shift} + 1) * kSubCount + ((value >> shift) - kSubCount));
  }

  void record(uint64_t value) noexcept { ++counts_[bucket_of(value)]; }

  void merge(const LogHistogram& other) noexcept {
    for (size_t bucket = 0; bucket < kBucketCount; ++bucket) counts_[bucket] += other.counts_[bucket];
  }

  uint64_t count(size_t bucket) const noexcept { return counts_[bucket]; }

  uint64_t total() const noexcept {
    uint64_t sum = 0;
    for (const uint64_t count : counts_) sum += count;
    return sum;
  }

  // [[bucket, count], ...], the empty ones left out.
  void write_json(std::FILE* out) const {
    const char* separator = "";
    std::fputc('[', out);
    for (size_t bucket = 0; bucket < counts_.size(); ++bucket) {
      if (counts_[bucket] == 0) continue;
      std::fprintf(out, "%s[%zu,%llu]", separator, bucket, static_cast<unsigned long long>(counts_[bucket]));
      separator = ",";
    }
    std::fputc(']', out);
  }

 private:
  std::vector<uint64_t> counts_;
};

}  // namespace clipper::load
