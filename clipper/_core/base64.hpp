// Base64, RFC 4648 section 4, strictly: the standard alphabet, padding required, no whitespace, and the unused bits of
// the last symbol zero (section 3.5), so that each byte string has exactly one text and equal inputs share a cache
// entry.
#pragma once
#include <cstddef>
#include <cstdint>

namespace clipper {

struct Base64Fault {
  size_t index = 0;                // of the offending symbol
  const char* expected = nullptr;  // static text
};

// Bytes that decode_base64 may write for a text of n symbols.
constexpr size_t base64_max_bytes(size_t n) noexcept { return n / 4 * 3; }

struct Base64Alphabet {
  uint8_t values[256];  // 0xFF: not in the alphabet
  constexpr Base64Alphabet() : values() {
    for (auto& value : values) value = 0xFF;
    constexpr char kSymbols[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (uint8_t i = 0; i < 64; ++i) values[static_cast<unsigned char>(kSymbols[i])] = i;
  }
};

inline constexpr Base64Alphabet kBase64Alphabet;

inline char* refuse_base64(Base64Fault& fault, size_t index, const char* expected) noexcept {
  fault.index = index;
  fault.expected = expected;
  return nullptr;
}

// `out` has room for base64_max_bytes(n). Returns the byte after the last one written, or nullptr with the fault set.
// `out` may be `text`: the writing never overtakes the reading.
inline char* decode_base64(const char* text, size_t n, char* out, Base64Fault& fault) noexcept {
  if (n % 4 != 0) return refuse_base64(fault, n, "base64 text whose length is a multiple of 4 ('=' pads it)");
  if (n == 0) return out;
  const auto* s = reinterpret_cast<const unsigned char*>(text);
  const uint8_t* values = kBase64Alphabet.values;
  const size_t padding = s[n - 1] != '=' ? 0 : s[n - 2] != '=' ? 1 : 2;
  const size_t whole = n - (padding != 0 ? 4 : 0);
  size_t i = 0;
  for (; i < whole; i += 4) {
    const uint32_t a = values[s[i]], b = values[s[i + 1]], c = values[s[i + 2]], d = values[s[i + 3]];
    if (((a | b | c | d) & 0x80) != 0) break;
    const uint32_t group = a << 18 | b << 12 | c << 6 | d;
    *out++ = static_cast<char>(group >> 16);
    *out++ = static_cast<char>(group >> 8);
    *out++ = static_cast<char>(group);
  }
  for (size_t k = i; k < n - padding; ++k) {
    if (values[s[k]] == 0xFF) return refuse_base64(fault, k, "a base64 symbol (A-Z a-z 0-9 + /, '=' only at the end)");
  }
  if (padding == 0) return out;
  const uint32_t a = values[s[i]], b = values[s[i + 1]];
  *out++ = static_cast<char>(a << 2 | b >> 4);
  if (padding == 2) {
    if ((b & 0x0F) != 0) return refuse_base64(fault, i + 1, "a last base64 symbol whose unused bits are zero");
    return out;
  }
  const uint32_t c = values[s[i + 2]];
  if ((c & 0x03) != 0) return refuse_base64(fault, i + 2, "a last base64 symbol whose unused bits are zero");
  *out++ = static_cast<char>(b << 4 | c >> 2);
  return out;
}

}  // namespace clipper
