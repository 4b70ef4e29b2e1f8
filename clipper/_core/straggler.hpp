// When is a batch stuck, and how much may be done twice about it? (Dean and Barroso, *The Tail at Scale*, CACM 2013)
#pragma once
#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>

namespace clipper {

// The 99th percentile of how many times longer than predicted a replica's batches take, with forgetting: a histogram of
// quarter octaves whose counts are halved when it has seen kMemory batches.
class StretchQuantile {
 public:
  void record(uint64_t duration_us, uint64_t predicted_us) noexcept {
    if (predicted_us == 0) return;
    const double ratio = static_cast<double>(duration_us) / static_cast<double>(predicted_us);
    ++counts_[bucket_of(ratio)];
    if (++total_ >= kMemory) {
      total_ = 0;
      for (uint32_t& count : counts_) total_ += count /= 2;
    }
    p99_ = total_ < kFewest ? 0.0 : find_p99();
  }

  // Upper bound of the bucket that holds it; 0 = too little seen to say.
  double p99() const noexcept { return p99_; }

 private:
  static constexpr size_t kBuckets = 40;     // 1/2 to 2^9.5 times the prediction
  static constexpr double kAnOctave = 4.0;
  static constexpr uint32_t kFewest = 20, kMemory = 2048;

  static size_t bucket_of(double ratio) noexcept {
    const double bucket = (std::log2(std::max(ratio, 0.5)) + 1.0) * kAnOctave;
    return std::min(static_cast<size_t>(bucket), kBuckets - 1);
  }

  double find_p99() const noexcept {
    const uint32_t beyond = total_ / 100;    // so many may be slower
    uint32_t seen = 0;
    size_t bucket = kBuckets - 1;
    for (; bucket > 0; --bucket) {
      seen += counts_[bucket];
      if (seen > beyond) break;
    }
    return std::exp2(static_cast<double>(bucket + 1) / kAnOctave - 1.0);
  }

  std::array<uint32_t, kBuckets> counts_{};
  uint32_t total_ = 0;
  double p99_ = 0.0;
};

// Extra work is a share of the work that there is anyway: a bucket of tokens, each worth one task sent twice.
class HedgeBudget {
 public:
  void earn(uint64_t tasks, double ratio) noexcept {
    largest_ = std::max(largest_, static_cast<double>(tasks));
    tokens_ = std::min(tokens_ + ratio * static_cast<double>(tasks), kBatchesSaved * largest_);
  }
  uint64_t affordable() const noexcept { return static_cast<uint64_t>(tokens_); }
  void spend(uint64_t tasks) noexcept { tokens_ -= static_cast<double>(tasks); }

 private:
  static constexpr double kBatchesSaved = 4.0;  // of the largest: a quiet hour does not pay for a flood
  double tokens_ = 0.0, largest_ = 0.0;
};

}  // namespace clipper
