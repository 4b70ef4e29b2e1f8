// How many tasks of a model were there at once lately, waiting and in flight: a maximum that forgets.
//
// It tells a batch that could still grow from one that waits for nobody: with one client that waits for each answer the
// peak is one, and a task that is alone is never held back for a second one.
#pragma once
#include <algorithm>
#include <cstdint>

namespace clipper {

class RecentPeak {
 public:
  // Takes a look; returns the largest of this and the last window, this look included.
  uint64_t look(uint64_t outstanding, uint64_t now_us) noexcept {
    if (now_us - start_us_ >= kWindowUs) {
      before_ = now_us - start_us_ < 2 * kWindowUs ? present_ : 0;
      present_ = 0;
      start_us_ = now_us;
    }
    present_ = std::max(present_, outstanding);
    return std::max(present_, before_);
  }

 private:
  static constexpr uint64_t kWindowUs = 100'000;  // some batches of the usual objective
  uint64_t start_us_ = 0, present_ = 0, before_ = 0;
};

}  // namespace clipper
