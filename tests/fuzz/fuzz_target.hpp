// What every fuzz target needs: the input read in pieces, parts of it in heap buffers of exactly their size (so that
// AddressSanitizer sees one byte too many), and EXPECT, which stops the fuzzer at a broken promise.
#pragma once
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t bytes);

#define EXPECT(condition)                                                                       \
  do {                                                                                          \
    if (!(condition)) {                                                                         \
      std::fprintf(stderr, "%s:%d: EXPECT failed: %s\n", __FILE__, __LINE__, #condition);       \
      std::abort();                                                                             \
    }                                                                                           \
  } while (false)

namespace fuzz {

// A copy that ends where its memory ends.
class Exact {
 public:
  Exact(const char* data, size_t bytes) : data_(new char[bytes]), bytes_(bytes) {
    if (bytes != 0) std::memcpy(data_.get(), data, bytes);
  }
  explicit Exact(std::string_view text) : Exact(text.data(), text.size()) {}
  const char* data() const noexcept { return data_.get(); }
  const char* end() const noexcept { return data_.get() + bytes_; }
  size_t size() const noexcept { return bytes_; }

 private:
  std::unique_ptr<char[]> data_;
  size_t bytes_;
};

// Choices come from the front of the input, so that the rest of it can be a text that a person can read.
class Input {
 public:
  Input(const uint8_t* data, size_t bytes) noexcept : at_(reinterpret_cast<const char*>(data)), left_(bytes) {}

  uint8_t byte() noexcept {
    if (left_ == 0) return 0;
    --left_;
    return static_cast<uint8_t>(*at_++);
  }
  uint64_t number() noexcept {
    uint64_t value = 0;
    for (int i = 0; i < 8; ++i) value |= static_cast<uint64_t>(byte()) << (8 * i);
    return value;
  }
  std::string_view take(size_t bytes) noexcept {
    const size_t taken = bytes < left_ ? bytes : left_;
    const std::string_view part(at_, taken);
    at_ += taken;
    left_ -= taken;
    return part;
  }
  std::string_view rest() noexcept { return take(left_); }
  bool empty() const noexcept { return left_ == 0; }

 private:
  const char* at_;
  size_t left_;
};

}  // namespace fuzz
