// Exact conversion of a checked decimal number to binary floating point: round to nearest, ties to even, one rounding.
//
// Three ways, the first that applies:
//   1. Clinger (PLDI 1990): mantissa <= 2^53 and |exponent| <= 22 are both exact doubles, so one IEEE operation rounds once.
//   2. Eisel-Lemire (Lemire, "Number parsing at a gigabyte per second", 2021) for up to 19 digits and |exponent| <= 27:
//      a 128-bit product with a truncated power of five, for which the paper proves that no fallback is needed in that
//      range. It covers the 16 and 17 digit texts that printing a random double gives.
//   3. std::from_chars, after long_decimal.hpp has shortened what is absurdly long (a body may hold 16 MB of digits).
#pragma once
#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>

#include "json_number.hpp"
#include "long_decimal.hpp"

namespace clipper {

__extension__ using uint128 = unsigned __int128;

// IEEE 754 binary16, as bits: C++17 has no such arithmetic type.
struct Float16 { uint16_t bits; };

constexpr int kMaxClingerExponent = 22;
constexpr uint64_t kMaxClingerMantissa = uint64_t{1} << 53;
constexpr double kExactPowersOfTen[kMaxClingerExponent + 1] = {
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

// 5^q as a 128-bit fraction with its highest bit set: exact for q >= 0, the next value above for q < 0.
struct PowerOfFive { uint64_t high, low; };

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
    for (int q = -kMaxLemireExponent; q <= kMaxLemireExponent; ++q) values[q + kMaxLemireExponent] = make_power_of_five(q);
  }
};

inline constexpr PowersOfFive kPowersOfFive;

// mantissa * 10^q, 0 < mantissa < 2^64, |q| <= 27: the result is always a normal double. Follows the paper's algorithm 1.
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
  if (low <= 1 && q >= -4 && q <= 23 && (significand & 3) == 1 && (significand << shift) == high) significand &= ~uint64_t{1};
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

// The value without its sign, or infinity if it rounds to that. [begin, end) is the number's text.
template <class Real>
__attribute__((noinline)) Real slow_magnitude(const NumberToken& token, const char* begin, const char* end) noexcept {
  LongDecimal decimal(begin + token.negative, end);
  Real value = 0;
  const auto result = std::from_chars(decimal.text(), decimal.text_end(), value);
  if (result.ec == std::errc::result_out_of_range) {
    // The library says neither which way; a decimal below 1 can only have been too small.
    return decimal.point() > 0 ? std::numeric_limits<Real>::infinity() : Real(0);
  }
  return value;
}

inline bool fast_magnitude(const NumberToken& token, double& value) noexcept {
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

// Each convert_real returns false if the number rounds to infinity: beyond the type's range.

inline bool convert_real(const NumberToken& token, const char* begin, const char* end, double& value) noexcept {
  if (!fast_magnitude(token, value)) value = slow_magnitude<double>(token, begin, end);
  uint64_t bits;
  std::memcpy(&bits, &value, 8);
  bits |= static_cast<uint64_t>(token.negative) << 63;  // not a branch: signs are random
  std::memcpy(&value, &bits, 8);
  return std::fabs(value) <= std::numeric_limits<double>::max();
}

// Rounding the nearest double once more errs only where that double lies exactly half way between two floats: then the
// text itself must decide. What fast_magnitude gives is far inside float's normal range for |exponent| <= 22, and for
// the rest of its range the comparison with FLT_MAX and FLT_MIN sends the number to the slow path.
inline bool convert_real(const NumberToken& token, const char* begin, const char* end, float& value) noexcept {
  double nearest;
  bool exact = fast_magnitude(token, nearest);
  if (exact) {
    uint64_t bits;
    std::memcpy(&bits, &nearest, 8);
    constexpr uint64_t kDroppedBits = (uint64_t{1} << 29) - 1;
    constexpr uint64_t kHalfWay = uint64_t{1} << 28;
    exact = (bits & kDroppedBits) != kHalfWay && (nearest == 0 || nearest >= static_cast<double>(std::numeric_limits<float>::min())) &&
            nearest <= static_cast<double>(std::numeric_limits<float>::max());
  }
  value = exact ? static_cast<float>(nearest) : slow_magnitude<float>(token, begin, end);
  uint32_t bits;
  std::memcpy(&bits, &value, 4);
  bits |= static_cast<uint32_t>(token.negative) << 31;
  std::memcpy(&value, &bits, 4);
  return std::fabs(value) <= std::numeric_limits<float>::max();
}

// binary16 through the nearest double; a double half way between two binary16 values is compared with the text.
inline bool convert_real(const NumberToken& token, const char* begin, const char* end, Float16& value) noexcept {
  double magnitude;
  if (!fast_magnitude(token, magnitude)) magnitude = slow_magnitude<double>(token, begin, end);
  if (!(magnitude < 65536.0)) return false;
  constexpr int kMinExponent = -14;
  const int exponent = magnitude < 0x1p-14 ? kMinExponent : std::ilogb(magnitude);
  const double scaled = std::ldexp(magnitude, 10 - exponent);  // below 2048, and exact: a power of two, nothing lost
  auto below = static_cast<uint32_t>(scaled);
  const double rest = scaled - below;
  bool round_up = rest > 0.5;
  if (rest == 0.5) {
    const int order = compare_decimal(begin + token.negative, end, magnitude);
    round_up = order > 0 || (order == 0 && (below & 1) != 0);
  }
  const uint32_t bits = (static_cast<uint32_t>(exponent - kMinExponent) << 10) + below + round_up;  // a carry lands in the exponent
  if (bits >= 0x7C00) return false;
  value.bits = static_cast<uint16_t>(bits | static_cast<uint32_t>(token.negative) << 15);
  return true;
}

}  // namespace clipper
