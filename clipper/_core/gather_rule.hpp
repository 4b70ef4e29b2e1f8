// What a plan says of the outputs that its members give: how they become one, and when that one is good enough.
#pragma once
#include <cmath>
#include <cstdint>
#include <vector>

namespace clipper {

enum class CombineRule : uint8_t {
  Single = 0,    // the one member's output
  Majority = 1,  // votes.hpp, every vote counting 1
  Mean = 2,      // mean.hpp; with shares the weighted mean
  Weighted = 3,  // votes.hpp, every vote counting its share
  Cascade = 4,   // cascade.hpp: the output of the last stage that gave one
};

struct GatherRule {
  CombineRule combine = CombineRule::Single;
  double min_confidence = 0.0;         // an output with less is not given
  std::vector<uint64_t> shares;        // of Weighted and of a weighted Mean: by member, in the plan's order
  uint64_t all_shares = 0;             // their sum
  std::vector<double> thresholds;      // of Cascade: one for each stage but the last

  // Weights become whole numbers, so that their sums are exact: who wins, and whether that is decided, does not depend
  // on the order in which outputs come. A weight below 2^-53 of all of them has no say. Their sum must not be zero.
  void set_weights(const std::vector<double>& weights) {
    double largest = 0.0, total = 0.0;
    for (const double weight : weights) largest = std::fmax(largest, weight);
    for (const double weight : weights) total += weight / largest;  // of huge weights the plain sum would overflow
    shares.clear();
    all_shares = 0;
    for (const double weight : weights) {
      shares.push_back(static_cast<uint64_t>(std::nearbyint(weight / largest / total * kShareUnit)));
      all_shares += shares.back();
    }
  }

  uint64_t share(uint16_t member) const noexcept { return shares.empty() ? 1 : shares[member]; }

  uint64_t share_of_all(uint16_t member_count) const noexcept { return shares.empty() ? member_count : all_shares; }

  // The one comparison by which an output is good enough, for whatever stands behind it.
  bool is_enough(double confidence) const noexcept { return confidence >= min_confidence; }

  bool is_enough(uint64_t votes, uint16_t member_count) const noexcept {
    return is_enough(static_cast<double>(votes) / static_cast<double>(share_of_all(member_count)));
  }

 private:
  static constexpr double kShareUnit = 4503599627370496.0;  // 2^52: sums of 64 rounded shares are exact as doubles, too
};

}  // namespace clipper
