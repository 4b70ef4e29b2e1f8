// UTF-8 validation (RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF), eight bytes at a time where
// the text is ASCII. Nothing here reads at or beyond `end`.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace clipper {

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
              "the word-at-a-time loops and the typed buffers are little-endian");

// For what runs once per number: a call would cost as much as the work, and keep its results in memory.
#define CLIPPER_ALWAYS_INLINE inline __attribute__((always_inline))

constexpr uint64_t kEveryByte = 0x0101010101010101ull;
constexpr uint64_t kHighBits = 0x8080808080808080ull;

inline uint64_t load8(const char* p) noexcept {
  uint64_t word;
  std::memcpy(&word, p, 8);
  return word;
}

// Index of the lowest flagged byte of a word whose flags are the bytes' high bits; `flags` must not be 0.
inline unsigned first_flagged_byte(uint64_t flags) noexcept {
  return static_cast<unsigned>(__builtin_ctzll(flags)) >> 3;
}

inline bool is_utf8_continuation(unsigned char byte) noexcept { return (byte & 0xC0) == 0x80; }

// Length of the well-formed multi-byte sequence at p (2, 3 or 4), or 0 if there is none. *p is at least 0x80.
inline size_t utf8_sequence_bytes(const char* p, const char* end) noexcept {
  const auto* s = reinterpret_cast<const unsigned char*>(p);
  const size_t left = static_cast<size_t>(end - p);
  const unsigned char lead = s[0];
  if (lead < 0xC2) return 0;  // a stray continuation byte, or an overlong form of ASCII
  if (lead < 0xE0) return left >= 2 && is_utf8_continuation(s[1]) ? 2 : 0;
  if (lead < 0xF0) {
    if (left < 3 || !is_utf8_continuation(s[1]) || !is_utf8_continuation(s[2])) return 0;
    if (lead == 0xE0 && s[1] < 0xA0) return 0;  // overlong
    if (lead == 0xED && s[1] > 0x9F) return 0;  // a surrogate
    return 3;
  }
  if (lead > 0xF4 || left < 4 || !is_utf8_continuation(s[1]) || !is_utf8_continuation(s[2]) ||
      !is_utf8_continuation(s[3]))
    return 0;
  if (lead == 0xF0 && s[1] < 0x90) return 0;  // overlong
  if (lead == 0xF4 && s[1] > 0x8F) return 0;  // above U+10FFFF
  return 4;
}

// The first byte of the first malformed sequence, or nullptr if the whole range is well-formed.
inline const char* find_invalid_utf8(const char* p, const char* end) noexcept {
  while (p < end) {
    if (end - p >= 8) {
      const uint64_t flags = load8(p) & kHighBits;
      if (flags == 0) {
        p += 8;
        continue;
      }
      p += first_flagged_byte(flags);
    } else if (static_cast<unsigned char>(*p) < 0x80) {
      ++p;
      continue;
    }
    const size_t bytes = utf8_sequence_bytes(p, end);
    if (bytes == 0) return p;
    p += bytes;
  }
  return nullptr;
}

// Writes the UTF-8 form of a code point (no surrogate) and returns the byte after it: at most 4 bytes.
inline char* encode_utf8(uint32_t code_point, char* out) noexcept {
  if (code_point < 0x80) {
    *out++ = static_cast<char>(code_point);
  } else if (code_point < 0x800) {
    *out++ = static_cast<char>(0xC0 | (code_point >> 6));
    *out++ = static_cast<char>(0x80 | (code_point & 0x3F));
  } else if (code_point < 0x10000) {
    *out++ = static_cast<char>(0xE0 | (code_point >> 12));
    *out++ = static_cast<char>(0x80 | ((code_point >> 6) & 0x3F));
    *out++ = static_cast<char>(0x80 | (code_point & 0x3F));
  } else {
    *out++ = static_cast<char>(0xF0 | (code_point >> 18));
    *out++ = static_cast<char>(0x80 | ((code_point >> 12) & 0x3F));
    *out++ = static_cast<char>(0x80 | ((code_point >> 6) & 0x3F));
    *out++ = static_cast<char>(0x80 | (code_point & 0x3F));
  }
  return out;
}

}  // namespace clipper
