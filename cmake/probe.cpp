// What the core asks of a compiler and its library; see probe.cmake.
#include <atomic>
#include <charconv>
#include <cstdint>

static_assert(std::atomic<std::uint64_t>::is_always_lock_free, "the slot word of the batch queue must be lock-free");

int main() {
  char text[32];
  double value = 0;
  const auto written = std::to_chars(text, text + sizeof text, 0.1);
  return std::from_chars(text, written.ptr, value).ec == std::errc() && value == 0.1 ? 0 : 1;
}
