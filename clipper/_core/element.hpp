// One element of a numeric input: JSON text -> a value of the application's element type.
#pragma once
#include <charconv>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "decimal.hpp"
#include "json_scan.hpp"

namespace clipper {

// An element of DType::Bool: 0 or 1 in one byte, as numpy keeps it.
struct Boolean {
  uint8_t value;
};

enum class ElementStatus : uint8_t { Ok, Malformed, WrongType, OutOfRange };

// Could another JSON value than a number begin with this byte?
inline bool begins_other_value(char c) noexcept {
  return c == '"' || c == '[' || c == '{' || c == 't' || c == 'f' || c == 'n';
}

// 20 digits may still be a uint64; [p, end) are digits.
inline bool parse_long_integer(const char* p, const char* end, uint64_t& value) noexcept {
  return std::from_chars(p, end, value).ec == std::errc();
}

template <class Int>
CLIPPER_ALWAYS_INLINE ElementStatus convert_integer(const NumberToken& token, const char* begin, const char* end,
                                                    Int& value) noexcept {
  if (!token.is_integer) return ElementStatus::WrongType;
  uint64_t magnitude = token.mantissa;
  if (token.digits > kMaxExactDigits && !parse_long_integer(begin + token.negative, end, magnitude))
    return ElementStatus::OutOfRange;
  constexpr auto kMax = static_cast<uint64_t>(std::numeric_limits<Int>::max());
  constexpr uint64_t kMaxNegative = std::is_signed_v<Int> ? kMax + 1 : 0;
  if (magnitude > (token.negative ? kMaxNegative : kMax)) return ElementStatus::OutOfRange;
  value = static_cast<Int>(token.negative ? 0 - magnitude : magnitude);
  return ElementStatus::Ok;
}

template <class Element>
CLIPPER_ALWAYS_INLINE ElementStatus convert_element(const NumberToken& token, const char* begin, const char* end,
                                                    Element& value) noexcept {
  if constexpr (std::is_integral_v<Element>) {
    return convert_integer(token, begin, end, value);
  } else if constexpr (std::is_same_v<Element, Boolean>) {
    const ElementStatus status = convert_integer(token, begin, end, value.value);
    return status == ElementStatus::Ok && value.value > 1 ? ElementStatus::OutOfRange : status;
  } else {
    return convert_real(token, begin, end, value) ? ElementStatus::Ok : ElementStatus::OutOfRange;
  }
}

// Reads the element at p, which may be `end`, and moves p behind it; p stays where it is if the status is not Ok.
template <class Element>
CLIPPER_ALWAYS_INLINE ElementStatus read_element(const char*& p, const char* end, Element& value) noexcept {
  JsonFault ignored;  // a malformed document is diagnosed by check_document, off this path
  if constexpr (std::is_same_v<Element, Boolean>) {
    if (p < end && (*p == 't' || *p == 'f')) {
      const bool is_true = *p == 't';
      const char* next = is_true ? skip_literal(p, end, "true", 4, ignored) : skip_literal(p, end, "false", 5, ignored);
      if (next == nullptr) return ElementStatus::Malformed;
      value.value = is_true;
      p = next;
      return ElementStatus::Ok;
    }
  }
  NumberToken token;
  if constexpr (std::is_same_v<Element, double> || std::is_same_v<Element, float>) {
    const char* next = scan_short_decimal(p, end, token);
    if (__builtin_expect(next != nullptr, 1) && convert_short_decimal(token, value)) {
      p = next;
      return ElementStatus::Ok;
    }
  }
  const char* next = scan_number(p, end, token, ignored);
  if (__builtin_expect(next == nullptr, 0)) {
    return p < end && begins_other_value(*p) ? ElementStatus::WrongType : ElementStatus::Malformed;
  }
  const ElementStatus status = convert_element(token, p, next, value);
  if (__builtin_expect(status == ElementStatus::Ok, 1)) p = next;
  return status;
}

}  // namespace clipper
