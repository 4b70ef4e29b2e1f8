// The only clock of the core. Read in the two I/O files alone; everything else takes `now_us` as an argument.
#pragma once
#include <cstdint>
#include <ctime>

namespace clipper {

inline uint64_t monotonic_us() noexcept {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000u + static_cast<uint64_t>(now.tv_nsec) / 1'000u;
}

}  // namespace clipper
