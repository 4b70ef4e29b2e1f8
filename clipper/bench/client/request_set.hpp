// The requests that are sent, as clipper/bench/request_file.py writes them, each with a hole for a counter:
//   "FORM COUNT\n", then COUNT lines "BYTES_BEFORE BYTES_AFTER [FORM [GROUP]]\n", then the bytes of all of them.
// A line without a form has the first line's. `none` has no hole; `digits` fills eight bytes with the counter in
// decimal; `double` with counter * 1e-8 as a little-endian double; `float` four bytes with a float32 in [0.5, 1) that
// is another one for each of 2^23 counters in a row; `fixed` is `digits` with the first counter for ever.
#pragma once

#include <cstdint>
#include <cstring>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace clipper::load {

enum class CounterForm : uint8_t { None, Digits, Double, Float, Fixed };

class RequestSet {
 public:
  // Eight digits, none of them a leading zero: JSON wants that, and a model that echoes answers digit for digit.
  static constexpr uint64_t kFirstCounter = 10'000'000;
  static constexpr uint64_t kCounterCount = 90'000'000;
  static constexpr size_t kDigits = 8;

  static RequestSet load(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    std::string line, form;
    size_t count = 0;
    std::getline(in, line);
    if (!(std::istringstream(line) >> form >> count) || count == 0) {
      throw std::runtime_error("not a file of requests: " + path);
    }
    RequestSet result;
    result.requests_.resize(count);
    std::vector<size_t> after_bytes(count);
    for (size_t i = 0; i < count; ++i) {
      std::getline(in, line);
      std::istringstream fields(line);
      Request& request = result.requests_[i];
      std::string own_form = form;
      if (!(fields >> request.hole >> after_bytes[i])) throw std::runtime_error("no sizes of a request in " + path);
      fields >> own_form >> request.group;
      request.form = form_of(own_form);
      if (request.group >= result.group_count_) result.group_count_ = request.group + 1;
    }
    for (size_t i = 0; i < count; ++i) {
      Request& request = result.requests_[i];
      const size_t hole_bytes = bytes_of(request.form);
      request.text.resize(request.hole + hole_bytes + after_bytes[i]);
      in.read(request.text.data(), static_cast<std::streamsize>(request.hole));
      in.read(request.text.data() + request.hole + hole_bytes, static_cast<std::streamsize>(after_bytes[i]));
    }
    if (!in) throw std::runtime_error("the file of requests ends too early: " + path);
    return result;
  }

  // Which request a counter chooses; a request with the form `fixed` is chosen for ever.
  size_t index_of(uint64_t counter) const noexcept { return static_cast<size_t>(counter % requests_.size()); }
  uint32_t group_of(uint64_t counter) const noexcept { return requests_[index_of(counter)].group; }
  uint32_t group_count() const noexcept { return group_count_; }
  bool is_fixed() const noexcept { return requests_[0].form == CounterForm::Fixed; }

  // The request of this counter; valid until the next call. The same counter always gives the same bytes, so that what
  // a full socket did not take is rendered again.
  const std::string& render(uint64_t counter) noexcept {
    Request& request = requests_[index_of(counter)];
    char* hole = request.text.data() + request.hole;
    switch (request.form) {
      case CounterForm::None: break;
      case CounterForm::Digits:
      case CounterForm::Fixed: write_digits(counter, hole); break;
      case CounterForm::Double: {
        const double value = static_cast<double>(counter) * 1e-8;
        std::memcpy(hole, &value, sizeof value);
        break;
      }
      case CounterForm::Float: {
        const uint32_t bits = 0x3f00'0000u | (static_cast<uint32_t>(counter) & 0x007f'ffffu);
        std::memcpy(hole, &bits, sizeof bits);
        break;
      }
    }
    return request.text;
  }

  static void write_digits(uint64_t counter, char* out) noexcept {
    for (size_t place = kDigits; place-- > 0; counter /= 10) out[place] = static_cast<char>('0' + counter % 10);
  }

  // The counter of the nth arrival: begins again after ninety million, since it has eight digits.
  static uint64_t counter_of(uint64_t first, uint64_t n) noexcept {
    return kFirstCounter + (first - kFirstCounter + n) % kCounterCount;
  }

 private:
  struct Request {
    std::string text;
    size_t hole = 0;
    CounterForm form = CounterForm::None;
    uint32_t group = 0;
  };

  static CounterForm form_of(const std::string& name) {
    if (name == "none") return CounterForm::None;
    if (name == "digits") return CounterForm::Digits;
    if (name == "double") return CounterForm::Double;
    if (name == "float") return CounterForm::Float;
    if (name == "fixed") return CounterForm::Fixed;
    throw std::runtime_error("no such form of a counter: " + name);
  }

  static size_t bytes_of(CounterForm form) noexcept {
    if (form == CounterForm::None) return 0;
    return form == CounterForm::Float ? 4 : 8;
  }

  std::vector<Request> requests_;
  uint32_t group_count_ = 1;
};

}  // namespace clipper::load
