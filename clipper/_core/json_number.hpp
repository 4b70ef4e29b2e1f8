// JSON numbers (RFC 8259 section 6): the grammar is checked and the digits are collected in one pass.
// The conversion to a type is decimal.hpp's.
#pragma once
#include <cstddef>
#include <cstdint>

#include "json_string.hpp"
#include "utf8.hpp"

namespace clipper {

// A number whose grammar has been checked.
struct NumberToken {
  uint64_t mantissa = 0;   // integer and fraction digits as one integer; meaningless if digits > 19
  int64_t exponent10 = 0;  // value = mantissa * 10^exponent10; saturates near +-10^15, beyond any body's length
  uint64_t digits = 0;     // digits in the mantissa, a lone leading 0 not counted
  bool negative = false;
  bool is_integer = false;  // written without fraction and exponent
};

constexpr uint64_t kMaxExactDigits = 19;  // 10^19 - 1 < 2^64

constexpr uint64_t kPowersOfTen[9] = {1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000};

inline bool is_digit(char c) noexcept { return static_cast<unsigned char>(c - '0') < 10; }

// Eight digit values, the first in the lowest byte, as a number (Langdale and Lemire's three multiplications).
CLIPPER_ALWAYS_INLINE uint64_t combine_digits(uint64_t values) noexcept {
  constexpr uint64_t kPairs = 0x000000FF000000FFull;
  values = values * 10 + (values >> 8);
  return ((values & kPairs) * 0x000F424000000064ull + ((values >> 16) & kPairs) * 0x0000271000000001ull) >> 32;
}

// Flags (in the high bits) the bytes of a word above '9' and those below '0'. Carries and borrows come only out of
// bytes that are flagged themselves, so the lowest flag is exact, and only that is used.
CLIPPER_ALWAYS_INLINE uint64_t non_digits(uint64_t word) noexcept {
  return ((word + kEveryByte * (0x7F - '9')) | (word - kEveryByte * '0')) & kHighBits;
}

// The number that the first `count` < 8 bytes of a word spell, all digits: they are moved to the end, behind zeros.
CLIPPER_ALWAYS_INLINE uint64_t combine_leading_digits(uint64_t word, unsigned count) noexcept {
  return combine_digits(((word ^ (kEveryByte * '0')) << 8) << (8 * (7 - count)));
}

// Collects the run of digits at p (possibly none) onto `mantissa`, which may wrap: the caller counts the digits.
// A run's length is data to this loop, not a branch: texts of random length cost no mispredictions.
CLIPPER_ALWAYS_INLINE const char* collect_digits(const char* p, const char* end, uint64_t& mantissa) noexcept {
  while (end - p >= 8) {
    const uint64_t word = load8(p);
    const uint64_t stops = non_digits(word);
    if (stops == 0) {
      mantissa = mantissa * 100000000 + combine_digits(word ^ (kEveryByte * '0'));
      p += 8;
      continue;
    }
    const unsigned count = first_flagged_byte(stops);
    mantissa = mantissa * kPowersOfTen[count] + combine_leading_digits(word, count);
    return p + count;
  }
  while (p < end && is_digit(*p)) mantissa = mantissa * 10 + static_cast<uint64_t>(*p++ - '0');
  return p;
}

// The commonest number by far: perhaps a sign, one digit, the point, one to seven digits, no exponent. One bounds check
// covers all of it, and its conversion needs no range check. Returns nullptr for any other text, without a fault:
// scan_number then looks at it. The token is as scan_number would have made it.
CLIPPER_ALWAYS_INLINE const char* scan_short_decimal(const char* p, const char* end, NumberToken& token) noexcept {
  constexpr ptrdiff_t kBytesRead = 1 + 1 + 1 + 8;
  if (__builtin_expect(end - p < kBytesRead, 0)) return nullptr;
  token.negative = false;
  if (__builtin_expect(*p == '-', 0)) {  // a branch: as data it would lengthen the chain from number to number
    token.negative = true;
    ++p;
  }
  if (!is_digit(p[0]) || p[1] != '.') return nullptr;
  const uint64_t word = load8(p + 2);
  const uint64_t stops = non_digits(word);
  if (stops == 0) return nullptr;
  const unsigned count = first_flagged_byte(stops);
  const char* const next = p + 2 + count;
  if (count == 0 || (*next | 0x20) == 'e') return nullptr;
  token.mantissa = static_cast<uint64_t>(p[0] - '0') * kPowersOfTen[count] + combine_leading_digits(word, count);
  token.exponent10 = -static_cast<int64_t>(count);
  token.digits = count + (p[0] != '0');
  token.is_integer = false;
  return next;
}

// p stands after the 'e' or 'E'. Adds the exponent to the token; nullptr with the fault set if there is none.
inline const char* scan_exponent(const char* p, const char* end, NumberToken& token, JsonFault& fault) noexcept {
  bool negative = false;
  if (p < end && (*p == '+' || *p == '-')) negative = *p++ == '-';
  if (p == end || !is_digit(*p)) return fault.set(kJsonError, p, "a digit of the exponent");
  constexpr int64_t kSaturation = 1000000000000000;
  int64_t exponent = 0;
  for (; p < end && is_digit(*p); ++p) {
    if (exponent < kSaturation) exponent = exponent * 10 + (*p - '0');
  }
  token.exponent10 += negative ? -exponent : exponent;
  return p;
}

// Returns the byte after the number at p, or nullptr with the fault set. p may be `end`.
CLIPPER_ALWAYS_INLINE const char* scan_number(const char* p, const char* end, NumberToken& token,
                                              JsonFault& fault) noexcept {
  token.mantissa = 0;
  token.exponent10 = 0;
  token.is_integer = true;
  token.negative = false;
  if (__builtin_expect(p < end && *p == '-', 0)) {
    token.negative = true;
    ++p;
  }
  if (__builtin_expect(p == end || !is_digit(*p), 0))
    return fault.set(kJsonError, p, token.negative ? "a digit after the minus sign" : "a JSON value");
  const char* const integer = p;
  // One digit before the point is by far the commonest; a predicted branch costs less than the word loop's latency.
  token.mantissa = static_cast<uint64_t>(*p++ - '0');
  if (p < end && is_digit(*p)) {
    if (*integer == '0') return fault.set(kJsonError, p, "no digit after a leading zero");
    p = collect_digits(p, end, token.mantissa);
  }
  token.digits = static_cast<uint64_t>(p - integer) - (*integer == '0');
  if (p == end) return p;
  if (*p == '.') {
    const char* const fraction = ++p;
    p = collect_digits(p, end, token.mantissa);
    if (p == fraction) return fault.set(kJsonError, p, "a digit after the decimal point");
    token.is_integer = false;
    token.exponent10 = fraction - p;
    token.digits += static_cast<uint64_t>(p - fraction);
    if (p == end) return p;
  }
  if (__builtin_expect(*p == 'e' || *p == 'E', 0)) {
    token.is_integer = false;
    return scan_exponent(p + 1, end, token, fault);
  }
  return p;
}

}  // namespace clipper
