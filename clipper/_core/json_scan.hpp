// RFC 8259 scanner: steps over values of any kind while checking them. Iterative: nesting costs one bit a level on a
// fixed stack, never a call, so 10 MB of "[[[[" is refused at the limit and cannot exhaust anything.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "json_number.hpp"
#include "json_string.hpp"

namespace clipper {

constexpr uint64_t kDefaultMaxDepth = 256;  // open arrays and objects, the outermost counted as 1
constexpr uint64_t kDepthCeiling = 1024;    // what a larger configured limit is cut to: the size of the bit stack

inline const char* skip_whitespace(const char* p, const char* end) noexcept {
  while (p < end && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t')) ++p;
  return p;
}

// Which of the open containers are objects: one bit a level.
class NestingStack {
 public:
  explicit NestingStack(uint64_t max_depth) noexcept
      : max_depth_(max_depth < kDepthCeiling ? max_depth : kDepthCeiling) {}
  bool push(bool is_object) noexcept {
    if (depth_ == max_depth_) return false;
    const uint64_t bit = uint64_t{1} << (depth_ & 63);
    uint64_t& word = bits_[depth_ >> 6];
    word = is_object ? word | bit : word & ~bit;
    ++depth_;
    return true;
  }
  void pop() noexcept { --depth_; }
  bool empty() const noexcept { return depth_ == 0; }
  bool in_object() const noexcept { return (bits_[(depth_ - 1) >> 6] >> ((depth_ - 1) & 63)) & 1; }

 private:
  uint64_t bits_[kDepthCeiling / 64] = {};
  uint64_t depth_ = 0;
  uint64_t max_depth_;
};

inline const char* skip_literal(const char* p, const char* end, const char* literal, size_t bytes,
                                JsonFault& fault) noexcept {
  if (static_cast<size_t>(end - p) >= bytes && std::memcmp(p, literal, bytes) == 0) return p + bytes;
  return fault.set(kJsonError, p, "a JSON value (true, false and null are the only bare words)");
}

// A value that is no container; p < end.
inline const char* skip_scalar(const char* p, const char* end, JsonFault& fault) noexcept {
  switch (*p) {
    case '"': {
      bool has_escape;
      const char* close = scan_string(p + 1, end, has_escape, fault);
      return close == nullptr ? nullptr : close + 1;
    }
    case 't': return skip_literal(p, end, "true", 4, fault);
    case 'f': return skip_literal(p, end, "false", 5, fault);
    case 'n': return skip_literal(p, end, "null", 4, fault);
    case 'N':
    case 'I': return fault.set(kJsonError, p, "a JSON value (JSON has no NaN and no Infinity)");
    default: {
      NumberToken token;
      const char* next = scan_short_decimal(p, end, token);
      return next != nullptr ? next : scan_number(p, end, token, fault);
    }
  }
}

// p stands where a key of an object should begin. Returns the first byte of its value, after the colon and whitespace.
inline const char* skip_key(const char* p, const char* end, JsonFault& fault) noexcept {
  if (p == end || *p != '"') return fault.set(kJsonError, p, "a key in double quotes");
  bool has_escape;
  p = scan_string(p + 1, end, has_escape, fault);
  if (p == nullptr) return nullptr;
  p = skip_whitespace(p + 1, end);
  if (p == end || *p != ':') return fault.set(kJsonError, p, "':' after a key");
  return skip_whitespace(p + 1, end);
}

// p stands after a value inside an open container. Closes what ends here; returns the first byte of the next value,
// or the byte after the outermost closing bracket (then the stack is empty).
inline const char* skip_to_next_value(const char* p, const char* end, NestingStack& open, JsonFault& fault) noexcept {
  while (!open.empty()) {
    p = skip_whitespace(p, end);
    const bool in_object = open.in_object();
    if (p < end && *p == ',') {
      p = skip_whitespace(p + 1, end);
      return in_object ? skip_key(p, end, fault) : p;
    }
    if (p == end || *p != (in_object ? '}' : ']')) {
      return fault.set(
          kJsonError, p,
          in_object ? "',' or '}' after a member of an object" : "',' or ']' after an element of an array");
    }
    open.pop();
    ++p;
  }
  return p;
}

// Returns the byte after the value at p, or nullptr with the fault set. `max_depth` bounds the containers opened here.
inline const char* skip_value(const char* p, const char* end, uint64_t max_depth, JsonFault& fault) noexcept {
  NestingStack open(max_depth);
  do {
    if (p == end) return fault.set(kJsonError, p, "a JSON value");
    const char bracket = *p;
    if (bracket != '[' && bracket != '{') {
      p = skip_scalar(p, end, fault);
    } else {
      const bool is_object = bracket == '{';
      if (!open.push(is_object)) return fault.set(kTooDeep, p, "arrays and objects nested less deeply");
      p = skip_whitespace(p + 1, end);
      if (p == end || *p != (is_object ? '}' : ']')) {
        if (is_object) p = skip_key(p, end, fault);
        if (p == nullptr) return nullptr;
        continue;  // its first value
      }
      open.pop();
      ++p;
    }
    if (p == nullptr) return nullptr;
    p = skip_to_next_value(p, end, open, fault);
    if (p == nullptr) return nullptr;
  } while (!open.empty());
  return p;
}

// Is [p, end) exactly one JSON value in UTF-8, with nothing but whitespace around it? Sets the fault if not.
inline bool check_document(const char* p, const char* end, uint64_t max_depth, JsonFault& fault) noexcept {
  p = skip_whitespace(p, end);
  if (end - p >= 3 && std::memcmp(p, "\xEF\xBB\xBF", 3) == 0) {
    fault.set(kJsonError, p, "a JSON value (not a byte order mark)");
    return false;
  }
  p = skip_value(p, end, max_depth, fault);
  if (p == nullptr) return false;
  p = skip_whitespace(p, end);
  if (p != end) fault.set(kJsonError, p, "the end of the text");
  return p == end;
}

// Is this exactly one RFC 8259 value? For the JSON outputs of containers, which are embedded in answers as they are.
inline bool validate_json(const char* p, size_t n) noexcept {
  JsonFault fault;
  return check_document(p, p + n, kDefaultMaxDepth, fault);
}

}  // namespace clipper
