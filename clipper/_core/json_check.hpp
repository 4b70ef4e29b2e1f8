// Is a text UTF-8, and is it one JSON value? Both are asked about every text that a container returns. Neither recurses.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace clipper {

// RFC 3629: shortest forms only, no surrogates, nothing above U+10FFFF.
inline bool is_utf8(const char* text, size_t bytes) noexcept {
  const auto* p = reinterpret_cast<const unsigned char*>(text);
  const auto* end = p + bytes;
  while (p < end) {
    uint64_t word;
    if (end - p >= 8 && (std::memcpy(&word, p, 8), (word & 0x8080808080808080u) == 0)) { p += 8; continue; }
    const unsigned char lead = *p++;
    if (lead < 0x80) continue;
    size_t following;
    unsigned char low = 0x80, high = 0xBF;  // bounds of the second byte
    if (lead >= 0xC2 && lead <= 0xDF) following = 1;
    else if (lead >= 0xE0 && lead <= 0xEF) { following = 2; if (lead == 0xE0) low = 0xA0; if (lead == 0xED) high = 0x9F; }
    else if (lead >= 0xF0 && lead <= 0xF4) { following = 3; if (lead == 0xF0) low = 0x90; if (lead == 0xF4) high = 0x8F; }
    else return false;
    if (static_cast<size_t>(end - p) < following || *p < low || *p > high) return false;
    ++p;
    while (--following) if ((*p++ & 0xC0) != 0x80) return false;
  }
  return true;
}

// Scans one value after another with a bit stack of open brackets in place of recursion.
class JsonScan {
 public:
  static constexpr uint32_t kMaxDepth = 512;  // wire.MAX_JSON_DEPTH

  JsonScan(const char* text, size_t bytes) noexcept : p_(text), end_(text + bytes) {}

  bool whole_text_is_one_value() noexcept {
    for (;;) {  // one turn a value
      skip_space();
      if (p_ == end_) return false;
      if (*p_ == '[' || *p_ == '{') {
        const bool is_object = *p_++ == '{';
        if (depth_ == kMaxDepth) return false;
        push(is_object);
        skip_space();
        if (!take(is_object ? '}' : ']')) {
          if (is_object && !key()) return false;
          continue;
        }
        --depth_;
      } else if (!scalar()) {
        return false;
      }
      for (;;) {  // after a value: its separator, or the brackets that it closes
        skip_space();
        if (depth_ == 0) return p_ == end_;
        if (take(',')) {
          if (in_object() && !key()) return false;
          break;
        }
        if (!take(in_object() ? '}' : ']')) return false;
        --depth_;
      }
    }
  }

 private:
  bool take(char expected) noexcept { return p_ != end_ && *p_ == expected ? (++p_, true) : false; }
  void skip_space() noexcept { while (p_ != end_ && (*p_ == ' ' || *p_ == '\t' || *p_ == '\n' || *p_ == '\r')) ++p_; }
  void push(bool is_object) noexcept {
    const uint64_t bit = uint64_t{1} << (depth_ % 64);
    open_[depth_ / 64] = is_object ? open_[depth_ / 64] | bit : open_[depth_ / 64] & ~bit;
    ++depth_;
  }
  bool in_object() const noexcept { return open_[(depth_ - 1) / 64] >> ((depth_ - 1) % 64) & 1; }
  bool key() noexcept {
    skip_space();
    if (!take('"') || !string_rest()) return false;
    skip_space();
    return take(':');
  }
  bool word(const char* rest, size_t bytes) noexcept {
    if (static_cast<size_t>(end_ - p_) < bytes || std::memcmp(p_, rest, bytes) != 0) return false;
    p_ += bytes;
    return true;
  }
  bool scalar() noexcept {
    switch (*p_) {
      case '"': ++p_; return string_rest();
      case 't': return word("true", 4);
      case 'f': return word("false", 5);
      case 'n': return word("null", 4);
      default: return number();
    }
  }
  static bool is_hex(char c) noexcept { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }
  bool string_rest() noexcept {
    while (p_ != end_) {
      const char c = *p_++;
      if (c == '"') return true;
      if (static_cast<unsigned char>(c) < 0x20) return false;
      if (c != '\\') continue;
      if (p_ == end_) return false;
      const char escape = *p_++;
      if (escape == 'u') {
        if (end_ - p_ < 4) return false;
        for (int i = 0; i < 4; ++i) if (!is_hex(*p_++)) return false;
      } else if (escape == '\0' || std::strchr("\"\\/bfnrt", escape) == nullptr) {
        return false;
      }
    }
    return false;
  }
  bool digits() noexcept {
    const char* start = p_;
    while (p_ != end_ && *p_ >= '0' && *p_ <= '9') ++p_;
    return p_ != start;
  }
  bool number() noexcept {
    take('-');
    if (!take('0') && !digits()) return false;
    if (take('.') && !digits()) return false;
    if (take('e') || take('E')) {
      if (!take('+')) take('-');
      return digits();
    }
    return true;
  }

  const char* p_;
  const char* end_;
  uint32_t depth_ = 0;
  uint64_t open_[kMaxDepth / 64] = {};  // 1 = object
};

// Is the text exactly one RFC 8259 value? UTF-8 is asked separately.
inline bool is_json(const char* text, size_t bytes) noexcept { return JsonScan(text, bytes).whole_text_is_one_value(); }

}  // namespace clipper
