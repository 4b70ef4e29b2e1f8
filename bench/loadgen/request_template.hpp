// Whole HTTP requests with a hole of eight bytes for a counter, written by bench/loadgen/request.py:
//   "digits|double|fixed VARIANTS\n", then VARIANTS lines "BYTES_BEFORE BYTES_AFTER\n", then the bytes of all of them.
// `digits` fills the hole with the counter as eight decimal digits, `double` with counter * 1e-8 as a little-endian
// double, `fixed` always with the first counter (the same input again and again).
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace bench {

class RequestTemplate {
 public:
  static constexpr size_t kHoleBytes = 8;

  static RequestTemplate load(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    std::string form;
    size_t count = 0;
    if (!(in >> form >> count) || count == 0) throw std::runtime_error("not a request template: " + path);
    RequestTemplate result;
    result.is_double_ = form == "double";
    result.is_fixed_ = form == "fixed";
    std::vector<std::pair<size_t, size_t>> sizes(count);
    for (auto& [before, after] : sizes) in >> before >> after;
    in.get();  // the newline after the last size
    for (const auto& [before, after] : sizes) {
      std::string request(before + kHoleBytes + after, '\0');
      in.read(request.data(), static_cast<std::streamsize>(before));
      in.read(request.data() + before + kHoleBytes, static_cast<std::streamsize>(after));
      result.variants_.push_back({std::move(request), before});
    }
    if (!in) throw std::runtime_error("truncated request template: " + path);
    return result;
  }

  // The request for this counter; valid until the next call.
  const std::string& render(uint64_t counter) noexcept {
    Variant& variant = variants_[counter % variants_.size()];
    char* hole = variant.request.data() + variant.hole;
    if (is_double_) {
      const double value = static_cast<double>(counter) * 1e-8;
      std::memcpy(hole, &value, kHoleBytes);
    } else {
      write_digits(counter, hole);
    }
    return variant.request;
  }

  static void write_digits(uint64_t counter, char* out) noexcept {
    for (size_t place = kHoleBytes; place-- > 0; counter /= 10) out[place] = static_cast<char>('0' + counter % 10);
  }

  bool is_fixed() const noexcept { return is_fixed_; }

 private:
  struct Variant {
    std::string request;
    size_t hole;
  };
  std::vector<Variant> variants_;
  bool is_double_ = false;
  bool is_fixed_ = false;
};

}  // namespace bench
