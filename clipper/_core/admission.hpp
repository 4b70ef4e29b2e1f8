// Would a task that is pushed now be answered in time? Asked of every task, so nothing here loops over more than the
// replicas, and in the usual case, with little waiting, over nothing at all.
//
// The dispatcher leaves a forecast behind at the end of each of its runs: when each ready replica will be free, how
// large its batches may be, and how long they take. From that follows how many tasks will have been answered by the
// task's deadline; as long as fewer than that wait, it may wait with them.
//
// Under overload a batch will hold, beside those that wait now, what still arrives until it is sent: at the measured
// rate, up to the limit. Without these the first ones behind a batch would be let in, only to be dropped when the next
// one is formed. Below, most of them are met, since batches are small there: to refuse them costs up to a fifth of the
// rate that can be sustained, and an estimate that is wrong for large batches would never let in what corrects it.
//
// Optimistic where nothing is known, and a task that finds nobody waiting and a replica idle is always let in: a wrong
// estimate has to meet reality to be corrected. There is no memory of earlier refusals, hence nothing that could
// oscillate.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "finish_estimate.hpp"

namespace clipper {

class Admission {
 public:
  // The dispatcher: a new forecast, with so many tasks left waiting. Then add() each ready replica, then end().
  // `objective_us`: the end-to-end SLO; 0 = none.
  void begin(uint64_t now_us, uint64_t waiting, uint64_t objective_us = 0) {
    measure_rate(now_us);
    waiting_ = waiting;
    objective_us_ = objective_us;
    replicas_.clear();
    total_cap_ = 0;
    last_free_us_ = longest_us_ = 0;
    first_free_us_ = ~uint64_t{0};
    capacity_ = 0.0;
  }

  // `error_ratio`: by how much its batches differ from their prediction, in the mean.
  void add(uint64_t free_us, uint32_t cap, FinishEstimate estimate, double error_ratio) {
    const uint64_t full_us = estimate.finish_us(0, cap);
    replicas_.push_back(Forecast{free_us, full_us, cap, estimate, error_ratio});
    total_cap_ += cap;
    const uint32_t sustained = sustained_size(cap, full_us, estimate);
    capacity_ += static_cast<double>(sustained) / static_cast<double>(std::max<uint64_t>(estimate.finish_us(0, sustained), 1));
    last_free_us_ = std::max(last_free_us_, free_us);
    first_free_us_ = std::min(first_free_us_, free_us);
  }

  // Where more comes than can be done, a task is let in only if it would be in time even if the batch before its own,
  // and its own, take longer than predicted: another one will take its place. Where less comes there is no other one,
  // and it is better to try.
  void end() noexcept {
    const double caution = kCaution * overload();
    for (Forecast& replica : replicas_) {
      const double stretch = 1.0 + caution * replica.error_ratio;
      replica.estimate.base_us = static_cast<uint64_t>(static_cast<double>(replica.estimate.base_us) * stretch);
      replica.estimate.per_item_us *= stretch;
      replica.full_us = replica.estimate.finish_us(0, replica.cap);
      longest_us_ = std::max(longest_us_, replica.full_us);
    }
  }

  // A task asks. `pushed()` follows if it was let in and found a place.
  bool admits(uint64_t now_us, uint64_t deadline_us) noexcept {
    ++offered_;
    if (waiting_ == 0 && first_free_us_ <= now_us) return true;
    const uint64_t last_free_us = std::max(now_us, last_free_us_);  // then each can still do a full batch:
    if (waiting_ < total_cap_ && deadline_us > last_free_us && deadline_us - last_free_us >= longest_us_) return true;
    return waiting_ < answered_by(now_us, deadline_us);
  }

  void pushed() noexcept { ++waiting_; }

  // How many of the tasks that wait, or will until then, will have been answered at `deadline_us`.
  uint64_t answered_by(uint64_t now_us, uint64_t deadline_us) const noexcept {
    constexpr double kAll = 1e18;
    double answered = replicas_.empty() ? kAll : 0.0;
    for (const Forecast& replica : replicas_) {
      const uint64_t free_us = std::max(now_us, replica.free_us);
      if (replica.full_us == 0) return static_cast<uint64_t>(kAll);
      if (deadline_us <= free_us) continue;
      const uint64_t left_us = deadline_us - free_us;
      if (left_us >= replica.full_us) {
        answered += static_cast<double>(left_us / replica.full_us) * static_cast<double>(replica.cap);
        continue;
      }
      const double coming = overload() * rate_ * static_cast<double>(free_us - now_us);
      const double filled = static_cast<double>(waiting_ + 1) + coming;
      const double size = std::min<double>(replica.cap, filled);
      if (replica.estimate.finish_us(0, static_cast<uint64_t>(size)) <= left_us) answered += size;
    }
    return static_cast<uint64_t>(std::min(answered, kAll));
  }

  uint64_t waiting() const noexcept { return waiting_; }
  double rate_per_us() const noexcept { return rate_; }

 private:
  static constexpr double kCaution = 4.0;            // mean errors: some two standard deviations of two batches' sum
  static constexpr double kNoOverload = 1.2, kOverload = 1.6;  // times the capacity; the rate is noisy
  static constexpr double kRateMemoryUs = 100'000.0;  // with less, three at once overload a slow model
  static constexpr uint64_t kRateWindowUs = 500;     // a turn or two: below, it is the noise of who came in which

  struct Forecast {
    uint64_t free_us, full_us;
    uint32_t cap;
    FinishEstimate estimate;
    double error_ratio;
  };

  // The two-batch rate: under load a task waits for the batch in service and rides the next one, so what can be sustained
  // is what batches of half the objective do. The controller may allow larger ones; these answer more, but late.
  uint32_t sustained_size(uint32_t cap, uint64_t full_us, const FinishEstimate& estimate) const noexcept {
    const uint64_t half_us = objective_us_ / 2;
    if (half_us == 0 || full_us <= half_us || estimate.per_item_us <= 0.0) return cap;
    const double items = (static_cast<double>(half_us) - static_cast<double>(estimate.base_us)) / estimate.per_item_us;
    return static_cast<uint32_t>(std::clamp(items, 1.0, static_cast<double>(std::max<uint32_t>(cap, 1))));
  }

  // 0: all that comes can be done; 1: clearly more comes, and who is refused makes room for another.
  double overload() const noexcept {
    const double load = rate_ / std::max(capacity_, 1e-12);
    return std::clamp((load - kNoOverload) / (kOverload - kNoOverload), 0.0, 1.0);
  }

  void measure_rate(uint64_t now_us) noexcept {
    if (now_us < since_us_ + kRateWindowUs) return;
    const double elapsed_us = static_cast<double>(now_us - since_us_);
    const double recent = static_cast<double>(offered_) / elapsed_us;
    rate_ += (recent - rate_) * elapsed_us / (elapsed_us + kRateMemoryUs);
    since_us_ = now_us;
    offered_ = 0;
  }

  std::vector<Forecast> replicas_;
  uint64_t objective_us_ = 0;
  uint64_t waiting_ = 0;
  uint64_t total_cap_ = 0;
  uint64_t first_free_us_ = ~uint64_t{0}, last_free_us_ = 0, longest_us_ = 0;
  double capacity_ = 0.0;           // tasks that can be answered, per us
  double rate_ = 0.0;               // tasks that ask, per us
  uint64_t since_us_ = 0, offered_ = 0;
};

}  // namespace clipper
