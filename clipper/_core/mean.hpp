// The combine rule mean: of numbers, or of flat arrays of numbers element by element; weighted where the plan has weights.
#pragma once
#include <charconv>
#include <cstdint>
#include <string>
#include <vector>

#include "gather_rule.hpp"
#include "json_write.hpp"
#include "query.hpp"

namespace clipper {

// Reads a JSON number, or a flat array of numbers, into `values`. The text was validated as JSON when it came in.
inline bool read_numbers(const Output* output, std::vector<double>& values, bool& is_array) {
  const char* p = output->text;
  const char* end = p + output->bytes;
  auto skip_space = [&] { while (p < end && (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r')) ++p; };
  auto number = [&] {
    double value = 0;
    auto [rest, error] = std::from_chars(p, end, value);
    if (error != std::errc() || rest == p) return false;
    p = rest;
    values.push_back(value);
    return true;
  };
  values.clear();
  skip_space();
  is_array = p < end && *p == '[';
  if (!is_array) return number();
  ++p;
  skip_space();
  if (p < end && *p == ']') return true;
  while (p < end) {
    skip_space();
    if (!number()) return false;
    skip_space();
    if (p < end && *p == ']') return true;
    if (p >= end || *p != ',') return false;
    ++p;
  }
  return false;
}

// The mean of what was added. Sums are wider than what is summed: the sum of doubles must not overflow, their mean cannot.
class MeanOfOutputs {
 public:
  // Returns why the output cannot be added, or null. The text stands in a JSON string as it is.
  const char* add(const Output* output, uint64_t share) {
    bool is_array = false;
    if (!read_numbers(output, values_, is_array)) {
      return "the combine rule mean needs outputs that are numbers or flat arrays of numbers";
    }
    if (count_ == 0) {
      sum_.assign(values_.size(), 0.0L);
      plain_sum_.assign(values_.size(), 0.0L);
      is_array_ = is_array;
    } else if (is_array != is_array_ || values_.size() != sum_.size()) {
      return "the combine rule mean needs outputs of one shape from every model";
    }
    for (size_t k = 0; k < sum_.size(); ++k) {
      sum_[k] += static_cast<long double>(values_[k]) * static_cast<long double>(share);
      plain_sum_[k] += values_[k];
    }
    shares_ += share;
    ++count_;
    return nullptr;
  }

  uint16_t count() const noexcept { return count_; }
  uint64_t shares() const noexcept { return shares_; }

  // Of at least one output. If none of them has any weight they count alike.
  Output* output() const {
    std::string text;
    char digits[kNumberBytes];
    if (is_array_) text.push_back('[');
    for (size_t k = 0; k < sum_.size(); ++k) {
      if (k != 0) text.push_back(',');
      const long double mean = shares_ != 0 ? sum_[k] / static_cast<long double>(shares_) : plain_sum_[k] / count_;
      text.append(digits, write_number(digits, static_cast<double>(mean)));
    }
    if (is_array_) text.push_back(']');
    return Output::create(text.data(), static_cast<uint32_t>(text.size()));
  }

 private:
  std::vector<double> values_;
  std::vector<long double> sum_, plain_sum_;
  bool is_array_ = false;
  uint16_t count_ = 0;
  uint64_t shares_ = 0;
};

}  // namespace clipper
