// A decimal number's significant digits, bounded: the slow paths of decimal.hpp work on this instead of the raw text.
#pragma once
#include <charconv>
#include <cstddef>
#include <cstdint>

namespace clipper {

// The number 0.D1 D2 D3 ... * 10^point with D1 != 0, or zero (no digits). Built from a text whose grammar has been
// checked and which has no sign. Linear in the text, whatever its length.
class LongDecimal {
 public:
  // A double, or the midpoint of two, has at most 767 significant digits: digits beyond these can only say "and a
  // little more", which one sticky digit 1 says as well.
  static constexpr size_t kMaxDigits = 768;

  LongDecimal(const char* p, const char* end) noexcept {
    bool in_fraction = false;
    bool sticky = false;
    for (; p < end && (*p | 0x20) != 'e'; ++p) {
      if (*p == '.') {
        in_fraction = true;
        continue;
      }
      if (*p == '0' && count_ == 0) {  // a leading zero only moves the point
        point_ -= in_fraction;
        continue;
      }
      point_ += !in_fraction;
      if (count_ < kMaxDigits)
        text_[count_++] = *p;
      else
        sticky |= *p != '0';
    }
    if (p < end) add_exponent(p + 1, end);
    if (sticky) text_[count_++] = '1';
    while (count_ > 0 && text_[count_ - 1] == '0') --count_;
    if (count_ == 0) point_ = 0;
    write_exponent();
  }

  // DIGITS e EXPONENT, of bounded length, equal in rounding to the original text.
  const char* text() const noexcept { return text_; }
  const char* text_end() const noexcept { return text_end_; }

  size_t digit_count() const noexcept { return count_; }
  int64_t point() const noexcept { return point_; }

 private:
  void add_exponent(const char* p, const char* end) noexcept {
    constexpr int64_t kSaturation = 1000000000000000;
    const bool negative = *p == '-';
    p += *p == '-' || *p == '+';
    int64_t exponent = 0;
    for (; p < end; ++p) {
      if (exponent < kSaturation) exponent = exponent * 10 + (*p - '0');
    }
    point_ += negative ? -exponent : exponent;
  }

  void write_exponent() noexcept {
    char* out = text_ + count_;
    if (count_ == 0) *out++ = '0';
    *out++ = 'e';
    // Exponents far outside every type's range are cut: what lies beyond them rounds alike.
    int64_t exponent = count_ == 0 ? 0 : point_ - static_cast<int64_t>(count_);
    if (exponent > 9999) exponent = 9999;
    if (exponent < -9999) exponent = -9999;
    text_end_ = std::to_chars(out, text_ + sizeof text_, exponent).ptr;
  }

  char text_[kMaxDigits + 32];
  char* text_end_ = nullptr;
  size_t count_ = 0;  // digits stored, no leading and no trailing zeros
  int64_t point_ = 0;
};

// Sign of (number written at [begin, end)) - value, exactly. `value` is not negative and has at most 60 significant
// decimal digits, as every midpoint of two binary16 values has (at most 25 binary places).
inline int compare_decimal(const char* begin, const char* end, double value) noexcept {
  char buffer[96];
  const auto printed = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::scientific, 60);
  const LongDecimal left(begin, end);
  const LongDecimal right(buffer, printed.ptr);
  if (left.point() != right.point()) return left.point() < right.point() ? -1 : 1;
  const size_t shared = left.digit_count() < right.digit_count() ? left.digit_count() : right.digit_count();
  for (size_t i = 0; i < shared; ++i) {
    if (left.text()[i] != right.text()[i]) return left.text()[i] < right.text()[i] ? -1 : 1;
  }
  if (left.digit_count() == right.digit_count()) return 0;
  return left.digit_count() < right.digit_count() ? -1 : 1;
}

}  // namespace clipper
