// Numbers and strings as JSON text, written as Python writes them: floats in the shortest form that reads back as the
// same value of the same width, laid out as repr() does (1.0, 0.0001, 1e-05, 1e+16).
#pragma once
#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string>
#include <type_traits>

namespace clipper {

constexpr size_t kNumberBytes = 32;  // longest: -2.2250738585072014e-308 (24); 20 digits of a 64-bit integer

namespace detail {

// Scientific shortest digits ("d.ddde-XX" at sci, its "e" at e) -> repr's fixed layout for exponents in [-4, 16).
inline char* lay_out_fixed(char* out, const char* sci, const char* e, int exponent) noexcept {
  if (*sci == '-') *out++ = *sci++;
  char digits[20];
  int count = 0;
  for (const char* p = sci; p != e; ++p) if (*p != '.') digits[count++] = *p;
  if (exponent < 0) {
    *out++ = '0';
    *out++ = '.';
    for (int i = -1; i > exponent; --i) *out++ = '0';
    std::memcpy(out, digits, count);
    return out + count;
  }
  for (int i = 0; i <= exponent; ++i) *out++ = i < count ? digits[i] : '0';
  *out++ = '.';
  if (count <= exponent + 1) { *out++ = '0'; return out; }
  std::memcpy(out, digits + exponent + 1, count - exponent - 1);
  return out + (count - exponent - 1);
}

}  // namespace detail

// Writes a finite number or a bool at `out`, which has room for kNumberBytes; returns the end of what was written.
template <typename T>
inline char* write_number(char* out, T value) noexcept {
  if constexpr (std::is_same_v<T, bool>) {
    const size_t bytes = value ? 4 : 5;
    std::memcpy(out, value ? "true" : "false", bytes);
    return out + bytes;
  } else if constexpr (std::is_integral_v<T>) {
    return std::to_chars(out, out + kNumberBytes, value).ptr;
  } else {
    // Whole numbers below 2^digits are spaced by at most one, so their own digits are the shortest.
    constexpr T kExact = static_cast<T>(uint64_t{1} << std::numeric_limits<T>::digits);
    if (value > -kExact && value < kExact && value == std::trunc(value)) {
      if (value == 0 && std::signbit(value)) *out++ = '-';
      out = std::to_chars(out, out + kNumberBytes, static_cast<int64_t>(value)).ptr;
      *out++ = '.';
      *out++ = '0';
      return out;
    }
    char sci[kNumberBytes];
    char* end = std::to_chars(sci, sci + kNumberBytes, value, std::chars_format::scientific).ptr;
    char* e = end - 1;
    while (*e != 'e') --e;
    int exponent = 0;
    std::from_chars(e[1] == '+' ? e + 2 : e + 1, end, exponent);
    if (exponent >= -4 && exponent < 16) return detail::lay_out_fixed(out, sci, e, exponent);
    std::memcpy(out, sci, end - sci);
    return out + (end - sci);
  }
}

// Appends valid UTF-8 as a JSON string; only what must be escaped is.
inline void append_json_string(std::string& out, const char* text, size_t bytes) {
  static constexpr char kHex[] = "0123456789abcdef";
  out.push_back('"');
  const char* plain = text;  // start of the run that needs no escape
  for (const char *p = text, *end = text + bytes; p != end; ++p) {
    const auto c = static_cast<unsigned char>(*p);
    if (c >= 0x20 && c != '"' && c != '\\') continue;
    out.append(plain, p);
    plain = p + 1;
    out.push_back('\\');
    switch (c) {
      case '"': case '\\': out.push_back(*p); break;
      case '\b': out.push_back('b'); break;
      case '\f': out.push_back('f'); break;
      case '\n': out.push_back('n'); break;
      case '\r': out.push_back('r'); break;
      case '\t': out.push_back('t'); break;
      default: out.append("u00"); out.push_back(kHex[c >> 4]); out.push_back(kHex[c & 15]);
    }
  }
  out.append(plain, text + bytes);
  out.push_back('"');
}

}  // namespace clipper
