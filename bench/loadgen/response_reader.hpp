// Finds where an HTTP/1.1 response ends. Only what benchmarked servers send to a keep-alive POST: Content-Length or
// chunked framing; anything else is reported as broken and counts as a failure.
#pragma once

#include <strings.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>

namespace bench {

class ResponseReader {
 public:
  enum class State { Incomplete, Complete, Broken };

  // Where the bytes of the socket go: room for at least `wanted` bytes at the end of the buffer.
  char* room(size_t wanted) {
    if (bytes_.size() < used_ + wanted) bytes_.resize(used_ + wanted);
    return bytes_.data() + used_;
  }
  size_t room_bytes() const noexcept { return bytes_.size() - used_; }

  State added(size_t count) noexcept {
    used_ += count;
    if (head_bytes_ == 0 && !read_head()) return broken_ ? State::Broken : State::Incomplete;
    if (is_chunked_) {
      // The last chunk ends the message; good enough for answers of a few bytes that hold no such text themselves.
      return ends_with("0\r\n\r\n") ? State::Complete : State::Incomplete;
    }
    if (used_ > head_bytes_ + body_bytes_) return State::Broken;  // more than was asked for
    return used_ == head_bytes_ + body_bytes_ ? State::Complete : State::Incomplete;
  }

  int status() const noexcept { return status_; }
  bool closes() const noexcept { return closes_; }
  std::string_view body() const noexcept { return {bytes_.data() + head_bytes_, used_ - head_bytes_}; }

  void clear() noexcept {
    used_ = head_bytes_ = body_bytes_ = 0;
    status_ = 0;
    is_chunked_ = closes_ = broken_ = false;
  }

 private:
  bool ends_with(std::string_view tail) const noexcept {
    return used_ - head_bytes_ >= tail.size() && std::memcmp(bytes_.data() + used_ - tail.size(), tail.data(), tail.size()) == 0;
  }

  bool read_head() noexcept {
    const char* text = bytes_.data();
    const void* end = memmem(text, used_, "\r\n\r\n", 4);
    if (end == nullptr) return false;
    if (used_ < 12 || std::memcmp(text, "HTTP/1.", 7) != 0) {
      broken_ = true;
      return false;
    }
    head_bytes_ = static_cast<size_t>(static_cast<const char*>(end) - text) + 4;
    status_ = std::atoi(text + 9);
    bool is_framed = false;
    const char* line = static_cast<const char*>(std::memchr(text, '\n', head_bytes_)) + 1;
    while (line < text + head_bytes_ - 2) {
      if (strncasecmp(line, "content-length:", 15) == 0) {
        body_bytes_ = std::strtoull(line + 15, nullptr, 10);
        is_framed = true;
      } else if (strncasecmp(line, "transfer-encoding: chunked", 26) == 0) {
        is_chunked_ = is_framed = true;
      } else if (strncasecmp(line, "connection: close", 17) == 0) {
        closes_ = true;
      }
      line = static_cast<const char*>(std::memchr(line, '\n', static_cast<size_t>(text + head_bytes_ - line))) + 1;
    }
    broken_ = !is_framed;
    if (broken_) head_bytes_ = 0;
    return is_framed;
  }

  std::string bytes_;
  size_t used_ = 0, head_bytes_ = 0, body_bytes_ = 0;
  int status_ = 0;
  bool is_chunked_ = false, closes_ = false, broken_ = false;
};

}  // namespace bench
