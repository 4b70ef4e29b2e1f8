// The histogram against a sorted list of the same values.
#include <algorithm>
#include <cmath>
#include <memory>
#include <random>
#include <vector>

#include "check.hpp"
#include "counters.hpp"
#include "histogram.hpp"

using clipper::Histogram;

namespace {

void test_every_bucket_bounds_meet_and_are_narrow() {
  uint64_t expected_lowest = 0;
  for (uint32_t bucket = 0; bucket < Histogram::kBuckets; ++bucket) {
    const uint64_t lowest = Histogram::lowest_of(bucket), highest = Histogram::highest_of(bucket);
    CHECK(lowest == expected_lowest);
    CHECK(Histogram::bucket_of(lowest) == bucket && Histogram::bucket_of(highest) == bucket);
    CHECK((highest - lowest) * Histogram::kSubBuckets <= lowest);
    expected_lowest = highest + 1;
  }
  CHECK(expected_lowest == Histogram::kMaxValue + 1);
}

void test_values_beyond_the_range_are_recorded_as_the_largest() {
  Histogram histogram;
  histogram.record(~uint64_t{0});
  CHECK(histogram.max == Histogram::kMaxValue && histogram.sum == Histogram::kMaxValue);
  CHECK(histogram.counts[Histogram::kBuckets - 1] == 1);
}

void test_percentiles_of_random_values_stay_within_one_bucket() {
  std::mt19937_64 random(7);
  Histogram histogram, other;
  std::vector<uint64_t> values;
  for (int i = 0; i < 20000; ++i) {
    const uint64_t value = random() >> (32 + random() % 32);
    values.push_back(value);
    (i % 2 ? histogram : other).record(value);
  }
  histogram.merge(other);
  std::sort(values.begin(), values.end());
  CHECK(histogram.count == values.size() && histogram.max == values.back());
  for (double ratio : {0.0, 0.01, 0.5, 0.9, 0.99, 0.999, 1.0}) {
    const size_t rank = std::max<size_t>(1, static_cast<size_t>(std::ceil(ratio * values.size())));
    const uint64_t exact = values[rank - 1], got = histogram.percentile(ratio);
    CHECK(got >= exact && (got - exact) * Histogram::kSubBuckets <= exact);
  }
  histogram.clear();
  CHECK(histogram.count == 0 && histogram.percentile(0.5) == 0);
}

void test_stage_counts_land_in_their_own_histogram() {
  auto model = std::make_unique<clipper::ModelCounters>();
  model->record_stage(clipper::Stage::Gather, 40, 3);
  CHECK(model->stage_us[clipper::kStages - 1].count == 3 && model->stage_us[0].count == 0);
  clipper::ApplicationCounters application;
  application.count_default(clipper::MissReason::LowConfidence);
  CHECK(application.defaults[clipper::kMissReasons - 1] == 1);
}

}  // namespace

int main() {
  test_every_bucket_bounds_meet_and_are_narrow();
  test_values_beyond_the_range_are_recorded_as_the_largest();
  test_percentiles_of_random_values_stay_within_one_bucket();
  test_stage_counts_land_in_their_own_histogram();
  return check::result();
}
