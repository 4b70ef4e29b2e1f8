// JSON strings (RFC 8259 section 7): finding the end of one while checking it, and decoding it.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "utf8.hpp"

namespace clipper {

// Codes that the scanner itself gives; predict_body.hpp lists all of them with their meaning.
constexpr const char* kJsonError = "json_error";
constexpr const char* kTooDeep = "too_deep";
constexpr const char* kBadEncoding = "bad_encoding";

// Why a text was refused. `at` may be the end of the text: something is missing.
struct JsonFault {
  const char* code = nullptr;      // nullptr: no fault
  const char* at = nullptr;        // the offending byte
  const char* expected = nullptr;  // what should have stood there; static text

  // Stores the fault and returns nullptr, so that scanners can `return fault.set(...)`.
  const char* set(const char* fault_code, const char* where, const char* what) noexcept {
    code = fault_code;
    at = where;
    expected = what;
    return nullptr;
  }
};

// Value of a hexadecimal digit, or -1.
inline int hex_digit(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  const char lower = static_cast<char>(c | 0x20);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

// Flags (in the high bits) the bytes that end a plain run: the quote, the backslash, control characters, non-ASCII.
// Only the lowest flag is exact (a borrow may flag bytes above it), and only the lowest is used.
inline uint64_t string_stops(uint64_t word) noexcept {
  const uint64_t quote = word ^ (kEveryByte * '"');
  const uint64_t backslash = word ^ (kEveryByte * '\\');
  const uint64_t is_quote = (quote - kEveryByte) & ~quote;
  const uint64_t is_backslash = (backslash - kEveryByte) & ~backslash;
  const uint64_t is_control = (word - kEveryByte * 0x20) & ~word;
  return (is_quote | is_backslash | is_control | word) & kHighBits;
}

// p stands on a backslash. Returns the byte after the escape, or nullptr with the fault set.
inline const char* scan_escape(const char* p, const char* end, JsonFault& fault) noexcept {
  if (end - p < 2) return fault.set(kJsonError, end, "the rest of an escape sequence");
  switch (p[1]) {
    case '"':
    case '\\':
    case '/':
    case 'b':
    case 'f':
    case 'n':
    case 'r':
    case 't': return p + 2;
    case 'u':
      for (int i = 2; i < 6; ++i) {
        if (p + i == end || hex_digit(p[i]) < 0)
          return fault.set(kJsonError, p + i, "a hexadecimal digit of a \\u escape");
      }
      return p + 6;
    default: return fault.set(kJsonError, p + 1, "one of \" \\ / b f n r t u after a backslash");
  }
}

// p stands after the opening quote. Returns the closing quote, or nullptr with the fault set.
// Checks grammar and UTF-8; a lone surrogate written as an escape is grammatical and left to decode_string.
inline const char* scan_string(const char* p, const char* end, bool& has_escape, JsonFault& fault) noexcept {
  has_escape = false;
  for (;;) {
    while (end - p >= 8) {
      const uint64_t stops = string_stops(load8(p));
      if (stops != 0) {
        p += first_flagged_byte(stops);
        break;
      }
      p += 8;
    }
    if (p == end) return fault.set(kJsonError, p, "the closing quote of a string");
    const auto c = static_cast<unsigned char>(*p);
    if (c == '"') return p;
    if (c == '\\') {
      has_escape = true;
      p = scan_escape(p, end, fault);
      if (p == nullptr) return nullptr;
    } else if (c < 0x20) {
      return fault.set(kJsonError, p, "a string without raw control characters (escape them)");
    } else if (c < 0x80) {
      ++p;  // only in the last seven bytes of the text
    } else {
      do {
        const size_t bytes = utf8_sequence_bytes(p, end);
        if (bytes == 0) return fault.set(kBadEncoding, p, "well-formed UTF-8");
        p += bytes;
      } while (p < end && static_cast<unsigned char>(*p) >= 0x80);
    }
  }
}

inline uint32_t decode_hex4(const char* p) noexcept {
  return static_cast<uint32_t>(hex_digit(p[0]) << 12 | hex_digit(p[1]) << 8 | hex_digit(p[2]) << 4 | hex_digit(p[3]));
}

// p stands on the backslash of a scanned \u escape. Writes its character and returns the byte after the escape
// (after both halves of a surrogate pair), or nullptr for a lone surrogate.
inline const char* decode_unicode_escape(const char* p, const char* close, char*& out) noexcept {
  uint32_t code_point = decode_hex4(p + 2);
  p += 6;
  if (code_point >= 0xD800 && code_point < 0xE000) {
    if (code_point >= 0xDC00 || close - p < 6 || p[0] != '\\' || p[1] != 'u') return nullptr;
    const uint32_t low = decode_hex4(p + 2);
    if (low < 0xDC00 || low >= 0xE000) return nullptr;
    code_point = 0x10000 + ((code_point - 0xD800) << 10) + (low - 0xDC00);
    p += 6;
  }
  out = encode_utf8(code_point, out);
  return p;
}

// Decodes a string that scan_string accepted, p being the byte after its opening quote. `out` has room for close - p
// bytes, which is always enough. Returns the byte after the last one written, or nullptr if an escape is a lone
// surrogate, which no UTF-8 text can hold (fault.at is its backslash).
inline char* decode_string(const char* p, const char* close, char* out, JsonFault& fault) noexcept {
  while (p < close) {
    const auto* escape = static_cast<const char*>(std::memchr(p, '\\', static_cast<size_t>(close - p)));
    const size_t plain_bytes = static_cast<size_t>((escape == nullptr ? close : escape) - p);
    std::memcpy(out, p, plain_bytes);
    out += plain_bytes;
    if (escape == nullptr) break;
    switch (escape[1]) {
      case 'b': *out++ = '\b'; break;
      case 'f': *out++ = '\f'; break;
      case 'n': *out++ = '\n'; break;
      case 'r': *out++ = '\r'; break;
      case 't': *out++ = '\t'; break;
      case 'u':
        p = decode_unicode_escape(escape, close, out);
        if (p == nullptr) {
          fault.set(kBadEncoding, escape, "a \\u escape that is no lone surrogate");
          return nullptr;
        }
        continue;
      default: *out++ = escape[1]; break;  // the quote, the backslash, the slash
    }
    p = escape + 2;
  }
  return out;
}

}  // namespace clipper
