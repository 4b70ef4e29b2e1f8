// Where heads end in what was read, without parsing: tells how far the parser may be fed at a time.
#pragma once

#include <cstddef>
#include <cstring>

namespace clipper {

// Bytes up to and including the first empty line; 0 if there is none.
inline size_t head_bytes(const char* data, size_t bytes) noexcept {
  const auto end = static_cast<const char*>(memmem(data, bytes, "\r\n\r\n", 4));
  return end == nullptr ? 0 : static_cast<size_t>(end - data) + 4;
}

// Does certainly no second head end in there? A JSON body seldom holds a CR, and looking for one byte is cheap.
inline bool has_one_head(const char* data, size_t bytes) noexcept {
  const size_t head = head_bytes(data, bytes);
  return head != 0 && std::memchr(data + head, '\r', bytes - head) == nullptr;
}

}  // namespace clipper
