// Exact conversion of a checked decimal number to binary floating point: round to nearest, ties to even, one rounding.
//
// Three ways, the first that applies:
//   1. Clinger (PLDI 1990): mantissa <= 2^53 and |exponent| <= 22 are both exact doubles, so one IEEE operation rounds
//   once.
//   2. Eisel-Lemire (Lemire, "Number parsing at a gigabyte per second", 2021) for up to 19 digits and |exponent| <= 27:
//      a 128-bit product with a truncated power of five, for which the paper proves that no fallback is needed in that
//      range. It covers the 16 and 17 digit texts that printing a random double gives.
//   3. std::from_chars, after long_decimal.hpp has shortened what is absurdly long (a body may hold 16 MB of digits).
#pragma once
#include <charconv>
#include <cstdint>
#include <cstring>
#include <limits>

#include "json_number.hpp"
#include "long_decimal.hpp"

namespace clipper {

__extension__ using uint128 = unsigned __int128;

// IEEE 754 binary16, as bits: C++17 has no such arithmetic type.
struct Float16 {
  uint16_t bits;
};

constexpr int kMaxClingerExponent = 22;
constexpr uint64_t kMaxClingerMantissa = uint64_t{1} << 53;
constexpr double kExactPowersOfTen[kMaxClingerExponent + 1] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                                               1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                                               1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

// 5^q as a 128-bit fraction with its highest bit set: exact for q >= 0, the next value above for q < 0.
struct PowerOfFive {
  uint64_t high, low;
};

constexpr int kMaxLemireExponent = 27;  // 5^27 < 2^64

constexpr PowerOfFive make_power_of_five(int q) {
  uint64_t power = 1;
  for (int i = 0; i < (q < 0 ? -q : q); ++i) power *= 5;
  if (q >= 0) return {power << __builtin_clzll(power), 0};
  // floor(2^(z+127) / 5^-q) + 1 with 2^z the first power of two not below 5^-q: long division, one bit at a time.
  // Before the first step the remainder is 2^(z-1) < 5^-q; the 128 quotient bits then follow.
  const int z = 64 - __builtin_clzll(power - 1);
  uint128 remainder = static_cast<uint128>(1) << (z - 1);
  uint128 quotient = 0;
  for (int bit = 0; bit < 128; ++bit) {
    remainder <<= 1;
    quotient <<= 1;
    if (remainder >= power) {
      remainder -= power;
      quotient |= 1;
    }
  }
  quotient += 1;
  return {static_cast<uint64_t>(quotient >> 64), static_cast<uint64_t>(quotient)};
}

struct PowersOfFive {
  PowerOfFive values[2 * kMaxLemireExponent + 1];
  constexpr PowersOfFive() : values() {
    for (int q = -kMaxLemireExponent; q <= kMaxLemireExponent; ++q)
      values[q + kMaxLemireExponent] = make_power_of_five(q);
  }
};

inline constexpr PowersOfFive kPowersOfFive;

// mantissa * 10^q, 0 < mantissa < 2^64, |q| <= 27: the result is always a normal double. Follows the paper's
// algorithm 1.
inline double eisel_lemire(uint64_t mantissa, int q) noexcept {
  const PowerOfFive& power = kPowersOfFive.values[q + kMaxLemireExponent];
  const int zeros = __builtin_clzll(mantissa);
  const uint64_t normalized = mantissa << zeros;
  const uint128 first = static_cast<uint128>(normalized) * power.high;
  auto high = static_cast<uint64_t>(first >> 64);
  auto low = static_cast<uint64_t>(first);
  if ((high & 0x1FF) == 0x1FF) {  // the low half of the power may still carry into the bits that are kept
    const auto second = static_cast<uint64_t>((static_cast<uint128>(normalized) * power.low) >> 64);
    low += second;
    high += second > low;
  }
  const int upper_bit = static_cast<int>(high >> 63);
  const int shift = upper_bit + 64 - 52 - 3;
  uint64_t significand = high >> shift;  // 54 bits: one more than a double keeps
  int64_t exponent = (((152170 + 65536) * q) >> 16) + 63 + upper_bit - zeros + 1023;
  // Exactly half way: only possible for -4 <= q <= 23, where the product is exact; then round to even, not up.
  if (low <= 1 && q >= -4 && q <= 23 && (significand & 3) == 1 && (significand << shift) == high)
    significand &= ~uint64_t{1};
  significand += significand & 1;
  significand >>= 1;
  if (significand >= uint64_t{2} << 52) {
    significand = uint64_t{1} << 52;
    ++exponent;
  }
  const uint64_t bits = (significand & ~(uint64_t{1} << 52)) | static_cast<uint64_t>(exponent) << 52;
  double value;
  std::memcpy(&value, &bits, 8);
  return value;
}

// The value, or infinity if it rounds to that. [begin, end) is the number's text without its sign.
template <class Real>
__attribute__((noinline)) Real slow_magnitude(const char* begin, const char* end) noexcept {
  // The library cuts exponents at some tens of thousands: exact only where no run of zeros can make up for that.
  constexpr ptrdiff_t kDirectBytes = 256;
  Real value = 0;
  std::errc error;
  if (end - begin <= kDirectBytes) {
    error = std::from_chars(begin, end, value).ec;
    if (error == std::errc()) return value;
  }
  const LongDecimal decimal(begin, end);
  error = std::from_chars(decimal.text(), decimal.text_end(), value).ec;
  if (error == std::errc()) return value;
  // Out of range, and the library does not say which way; a decimal below 1 can only have been too small.
  return decimal.point() > 0 ? std::numeric_limits<Real>::infinity() : Real(0);
}

CLIPPER_ALWAYS_INLINE bool fast_magnitude(const NumberToken& token, double& value) noexcept {
  const uint64_t mantissa = token.mantissa;
  const int64_t exponent = token.exponent10;
  if (__builtin_expect(token.digits > kMaxExactDigits, 0)) return false;
  if (mantissa <= kMaxClingerMantissa && exponent >= -kMaxClingerExponent && exponent <= kMaxClingerExponent) {
    const auto exact = static_cast<double>(static_cast<int64_t>(mantissa));
    value = exponent < 0 ? exact / kExactPowersOfTen[-exponent] : exact * kExactPowersOfTen[exponent];
    return true;
  }
  if (mantissa == 0) {
    value = 0;
    return true;
  }
  if (exponent < -kMaxLemireExponent || exponent > kMaxLemireExponent) return false;
  value = eisel_lemire(mantissa, static_cast<int>(exponent));
  return true;
}

template <class Real, class Bits>
CLIPPER_ALWAYS_INLINE Real with_sign(Real magnitude, bool negative) noexcept {
  static_assert(sizeof(Real) == sizeof(Bits));
  Bits bits;
  std::memcpy(&bits, &magnitude, sizeof bits);
  bits |= static_cast<Bits>(negative) << (8 * sizeof bits - 1);  // not a branch: signs are random
  std::memcpy(&magnitude, &bits, sizeof bits);
  return magnitude;
}

// Rounds a double that is the correctly rounded value of a text to float. That second rounding errs only where the
// double lies exactly half way between two floats (then the text itself must decide) or outside the normal range.
CLIPPER_ALWAYS_INLINE bool narrow_to_float(double nearest, float& value) noexcept {
  uint64_t bits;
  std::memcpy(&bits, &nearest, 8);
  constexpr uint64_t kDroppedBits = (uint64_t{1} << 29) - 1;
  constexpr uint64_t kHalfWay = uint64_t{1} << 28;
  value = static_cast<float>(nearest);
  return (bits & kDroppedBits) != kHalfWay &&
         (nearest == 0 || nearest >= static_cast<double>(std::numeric_limits<float>::min())) &&
         nearest <= static_cast<double>(std::numeric_limits<float>::max());
}

// Each convert_real returns false if the number rounds to infinity: beyond the type's range.

CLIPPER_ALWAYS_INLINE bool convert_real(const NumberToken& token, const char* begin, const char* end,
                                        double& value) noexcept {
  const bool is_fast = fast_magnitude(token, value);
  if (__builtin_expect(!is_fast, 0)) value = slow_magnitude<double>(begin + token.negative, end);
  const bool is_finite = is_fast || value <= std::numeric_limits<double>::max();
  value = with_sign<double, uint64_t>(value, token.negative);
  return is_finite;
}

CLIPPER_ALWAYS_INLINE bool convert_real(const NumberToken& token, const char* begin, const char* end,
                                        float& value) noexcept {
  double nearest;
  const bool is_fast = fast_magnitude(token, nearest) && narrow_to_float(nearest, value);
  if (__builtin_expect(!is_fast, 0)) value = slow_magnitude<float>(begin + token.negative, end);
  const bool is_finite = is_fast || value <= std::numeric_limits<float>::max();
  value = with_sign<float, uint32_t>(value, token.negative);
  return is_finite;
}

// binary16 through the nearest double; a double half way between two binary16 values is compared with the text.
CLIPPER_ALWAYS_INLINE bool convert_real(const NumberToken& token, const char* begin, const char* end,
                                        Float16& value) noexcept {
  double magnitude;
  if (!fast_magnitude(token, magnitude)) magnitude = slow_magnitude<double>(begin + token.negative, end);
  if (!(magnitude < 65536.0)) return false;
  uint64_t bits;
  std::memcpy(&bits, &magnitude, 8);
  constexpr int kMinExponent = -14;
  const int exponent = static_cast<int>(bits >> 52) - 1023;
  uint32_t rounded = 0;
  if (exponent >= kMinExponent - 11) {  // anything smaller is below half the smallest subnormal
    const uint64_t significand = (bits & ((uint64_t{1} << 52) - 1)) | uint64_t{1} << 52;
    const int shift = 42 + (exponent < kMinExponent ? kMinExponent - exponent : 0);
    const uint64_t half_way = uint64_t{1} << (shift - 1);
    const uint64_t rest = significand & (2 * half_way - 1);
    const auto below = static_cast<uint32_t>(significand >> shift);
    bool round_up = rest > half_way;
    if (rest == half_way) {
      const int order = compare_decimal(begin + token.negative, end, magnitude);
      round_up = order > 0 || (order == 0 && (below & 1) != 0);
    }
    const uint32_t biased = exponent < kMinExponent ? 0 : static_cast<uint32_t>(exponent - kMinExponent);
    rounded = (biased << 10) + below + round_up;  // the leading bit of `below` and a carry land in the exponent
  }
  value.bits = static_cast<uint16_t>(rounded | static_cast<uint32_t>(token.negative) << 15);
  return rounded < 0x7C00;
}

// A token of scan_short_decimal: its mantissa is below 10^8, so one division is exact, and nothing can overflow.
// Returns false if the text must be converted by convert_real.
CLIPPER_ALWAYS_INLINE bool convert_short_decimal(const NumberToken& token, double& value) noexcept {
  const double magnitude =
      static_cast<double>(static_cast<int64_t>(token.mantissa)) / kExactPowersOfTen[-token.exponent10];
  value = with_sign<double, uint64_t>(magnitude, token.negative);
  return true;
}

CLIPPER_ALWAYS_INLINE bool convert_short_decimal(const NumberToken& token, float& value) noexcept {
  const double nearest =
      static_cast<double>(static_cast<int64_t>(token.mantissa)) / kExactPowersOfTen[-token.exponent10];
  const bool is_exact = narrow_to_float(nearest, value);
  value = with_sign<float, uint32_t>(value, token.negative);
  return is_exact;
}

}  // namespace clipper
