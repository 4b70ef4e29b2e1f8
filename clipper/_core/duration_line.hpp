// How long a batch takes, as a line over its size: weighted least squares with exponential forgetting. Pure.
//
// Three things that plain least squares gets wrong here. Under light load all batches are of one size, which leaves the
// slope undetermined: the last slope that the data did determine is kept (a ridge towards it), and none is assumed at
// first. A pause gives one duration far too long: who is far off the line alone is not believed. And a model that really
// changed its speed is off twice running: then the whole line is scaled to the new speed at once.
//
// What is done with a batch that is not believed is up to the caller: judge() it first, and fit() it or not.
#pragma once
#include <algorithm>
#include <cstdint>

namespace clipper {

enum class LineVerdict : uint8_t { First, Expected, Slow, Fast, Rescaled };

class DurationLine {
 public:
  static constexpr double kLongestUs = 9.0e15;  // 285 years: keeps every estimate inside 64 bits

  // `surprise_ratio`: beyond this factor, either way, one batch alone is not believed. `forget`: weight of the last
  // batch after the next.
  void configure(double surprise_ratio, double forget) noexcept {
    surprise_ratio_ = surprise_ratio;
    forget_ = forget;
  }

  // A batch has been answered, of `size` > 0 and at most kLongestUs. Rescaled: the line is at the new speed already.
  LineVerdict judge(double size, double duration_us) noexcept {
    if (weight_ == 0.0) return LineVerdict::First;
    // A slope not yet known is no surprise: all of the mean batch's time may turn out to be its items'.
    const double longest = std::max(at(size), proportional(size));
    const double shortest = std::max(std::min(at(size), proportional(size)), 1.0);
    int surprise = 0;
    if (duration_us > surprise_ratio_ * longest + kSurpriseFloorUs) surprise = 1;
    else if (duration_us * surprise_ratio_ + kSurpriseFloorUs < shortest) surprise = -1;
    // The first call of a model often pays for its warm-up: one slow batch is no ground to doubt a fast one.
    if (surprise != 0 && (surprise == surprise_ || (surprise < 0 && weight_ <= 1.0))) {
      rescale(surprise > 0 ? duration_us / std::max(longest, 1.0) : std::max(duration_us, 1.0) / shortest);
      surprise_ = 0;
      return LineVerdict::Rescaled;
    }
    surprise_ = surprise;
    return surprise > 0 ? LineVerdict::Slow : surprise < 0 ? LineVerdict::Fast : LineVerdict::Expected;
  }

  void fit(double size, double duration_us) noexcept {
    const double old = weight_ * forget_;
    const double share = 1.0 / (old + 1.0);
    const double size_off = size - mean_size_, us_off = duration_us - mean_us_;
    // West's update of weighted mean, variance and covariance: no difference of large sums.
    mean_size_ += size_off * share;
    mean_us_ += us_off * share;
    var_size_ = (old * share) * (var_size_ + share * size_off * size_off);
    covariance_ = (old * share) * (covariance_ + share * size_off * us_off);
    weight_ = old + 1.0;
    const double ridge = kRidgeRatio * mean_size_ * mean_size_;
    const double slope = (covariance_ + ridge * slope_us_) / (var_size_ + ridge);
    // Neither part may be negative: 0 <= slope <= what the mean batch leaves for its items.
    slope_us_ = std::min(std::max(slope, 0.0), mean_us_ / mean_size_);
  }

  double at(double size) const noexcept { return base_us() + slope_us_ * size; }
  double base_us() const noexcept { return std::max(mean_us_ - slope_us_ * mean_size_, 0.0); }
  double slope_us() const noexcept { return slope_us_; }  // per item
  double proportional(double size) const noexcept { return mean_us_ * size / mean_size_; }
  bool is_empty() const noexcept { return weight_ == 0.0; }
  bool is_surprised() const noexcept { return surprise_ != 0; }  // the last batch was far off, and alone

 private:
  static constexpr double kSurpriseFloorUs = 200.0;  // below this it is the scheduler's noise
  static constexpr double kRidgeRatio = 0.0025;  // of mean size squared: a spread of less than 5% hardly moves the slope

  // The model runs at another speed: keep the shape of the line, and little of its weight.
  void rescale(double ratio) noexcept {
    mean_us_ = std::min(std::max(mean_us_, 1.0) * ratio, kLongestUs);
    covariance_ *= ratio;
    slope_us_ *= ratio;
    weight_ = std::min(weight_, 1.0);
  }

  double surprise_ratio_ = 3.0, forget_ = 0.9;
  // Means over the batches seen, the newest weighing most.
  double weight_ = 0.0;      // sum of weights
  double mean_size_ = 0.0, mean_us_ = 0.0;
  double var_size_ = 0.0, covariance_ = 0.0;
  double slope_us_ = 0.0;    // outlives the spread of sizes that it was learned from
  int surprise_ = 0;         // the last batch was far above (+1) or below (-1) the line
};

}  // namespace clipper
