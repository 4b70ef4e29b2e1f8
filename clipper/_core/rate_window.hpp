// At most so many events in a second; the others are counted. For log lines that an overload would multiply.
#pragma once
#include <cstdint>

namespace clipper {

struct RateWindow {
  static constexpr uint64_t kWindowUs = 1'000'000;

  uint64_t start_us = 0;    // of the present second; 0 = none yet
  uint64_t admitted = 0;    // in it
  uint64_t suppressed = 0;  // since `take_suppressed`

  bool admits(uint64_t now_us, uint64_t limit) noexcept {
    if (is_over(now_us)) { start_us = now_us; admitted = 0; }
    if (admitted >= limit) { ++suppressed; return false; }
    ++admitted;
    return true;
  }

  bool is_over(uint64_t now_us) const noexcept { return start_us == 0 || now_us - start_us >= kWindowUs; }

  uint64_t take_suppressed() noexcept {
    const uint64_t count = suppressed;
    suppressed = 0;
    return count;
  }
};

}  // namespace clipper
