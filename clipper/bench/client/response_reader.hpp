// Finds where an HTTP/1.1 response ends, however it was cut, and takes its body out of the chunks (RFC 9112 sections 6
// and 7). It keeps no header but those that frame the message; what it does not understand it calls broken, which the
// caller counts as a lost request.
#pragma once

#include <strings.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string_view>

namespace clipper::load {

class ResponseReader {
 public:
  enum class State : uint8_t { Incomplete, Complete, Broken };

  static constexpr size_t kMostHeadBytes = 64 * 1024;
  static constexpr uint64_t kMostBodyBytes = uint64_t{256} << 20;

  // Where the bytes of the socket go; `room_bytes` says how many fit.
  char* room() {
    constexpr size_t kSmall = 16 * 1024, kLarge = 256 * 1024;
    const size_t wanted = phase_ == Phase::Head || body_left_ < kSmall ? kSmall : kLarge;
    if (capacity_ - used_ < std::min(wanted, kSmall)) grow(used_ + wanted);
    return bytes_.get() + used_;
  }
  size_t room_bytes() const noexcept { return capacity_ - used_; }

  // `count` bytes more lie where `room` pointed.
  State added(size_t count) {
    used_ += count;
    while (phase_ == Phase::Head) {
      if (!read_head()) return state();
    }
    switch (phase_) {
      case Phase::Length: take_length(); break;
      case Phase::UntilClose: body_end_ = used_; break;
      case Phase::Broken: break;
      default: take_chunks(); break;
    }
    if (body_end_ - body_begin_ > kMostBodyBytes) phase_ = Phase::Broken;
    return state();
  }

  // The server closed the connection: that ends a body which has no other end.
  State ended() noexcept { return phase_ == Phase::UntilClose ? State::Complete : State::Broken; }

  int status() const noexcept { return status_; }
  bool closes() const noexcept { return closes_; }
  bool has_begun() const noexcept { return used_ > 0; }
  std::string_view body() const noexcept {
    return bytes_ ? std::string_view(bytes_.get() + body_begin_, body_end_ - body_begin_) : std::string_view();
  }

  void clear() noexcept {
    used_ = body_begin_ = body_end_ = scanned_ = 0;
    body_left_ = 0;
    status_ = 0;
    phase_ = Phase::Head;
    closes_ = chunk_has_digit_ = is_extension_ = line_has_text_ = false;
  }

 private:
  enum class Phase : uint8_t { Head, Length, UntilClose, ChunkSize, ChunkData, ChunkEnd, Trailer, Done, Broken };

  State state() const noexcept {
    if (phase_ == Phase::Broken) return State::Broken;
    return phase_ == Phase::Done ? State::Complete : State::Incomplete;
  }

  void grow(size_t wanted) {
    const size_t capacity = std::max(wanted, 2 * capacity_);
    std::unique_ptr<char[]> larger(new char[capacity]);
    if (used_ > 0) std::memcpy(larger.get(), bytes_.get(), used_);
    bytes_ = std::move(larger);
    capacity_ = capacity;
  }

  bool broken() noexcept {
    phase_ = Phase::Broken;
    return false;
  }

  // Whether there is something to do beyond the head: false while it is incomplete, and when it is broken.
  bool read_head() {
    const char* text = bytes_.get();
    // The blank line may lie across the seam of two reads.
    const size_t from = scanned_ > 3 ? scanned_ - 3 : 0;
    const void* end = memmem(text + from, used_ - from, "\r\n\r\n", 4);
    scanned_ = used_;
    if (end == nullptr) return used_ > kMostHeadBytes ? broken() : false;
    const size_t head_bytes = static_cast<size_t>(static_cast<const char*>(end) - text) + 4;
    if (head_bytes > kMostHeadBytes) return broken();
    if (head_bytes < 16 || std::memcmp(text, "HTTP/1.", 7) != 0 || text[8] != ' ') return broken();
    status_ = 0;
    for (size_t i = 9; i < 12; ++i) {
      if (text[i] < '0' || text[i] > '9') return broken();
      status_ = status_ * 10 + (text[i] - '0');
    }
    if (status_ < 100 || status_ == 101) return broken();
    if (status_ < 200) return skip_interim(head_bytes);
    body_begin_ = body_end_ = head_bytes;
    return read_fields(text, head_bytes);
  }

  // 100 Continue, 103 Early Hints: the answer is still to come.
  bool skip_interim(size_t head_bytes) noexcept {
    std::memmove(bytes_.get(), bytes_.get() + head_bytes, used_ - head_bytes);
    used_ -= head_bytes;
    scanned_ = 0;
    return used_ > 0;
  }

  bool read_fields(const char* text, size_t head_bytes) noexcept {
    bool has_length = false, is_chunked = false;
    closes_ = text[7] == '0';
    const char* line = static_cast<const char*>(std::memchr(text, '\n', head_bytes)) + 1;
    const char* last = text + head_bytes - 2;
    while (line < last) {
      const char* end = static_cast<const char*>(std::memchr(line, '\r', static_cast<size_t>(last + 1 - line)));
      if (end == nullptr || end[1] != '\n') return broken();
      const char* colon = static_cast<const char*>(std::memchr(line, ':', static_cast<size_t>(end - line)));
      if (colon == nullptr) return broken();
      const std::string_view name(line, static_cast<size_t>(colon - line));
      const std::string_view value = trimmed(colon + 1, end);
      if (is_name(name, "content-length")) {
        if (!read_length(value)) return broken();
        has_length = true;
      } else if (is_name(name, "transfer-encoding")) {
        if (!is_name(value, "chunked")) return broken();
        is_chunked = true;
      } else if (is_name(name, "connection")) {
        if (is_name(value, "close")) closes_ = true;
        if (is_name(value, "keep-alive")) closes_ = false;
      }
      line = end + 2;
    }
    if (status_ == 204 || status_ == 304) {
      body_left_ = 0;
      phase_ = Phase::Length;
    } else if (is_chunked) {
      phase_ = Phase::ChunkSize;
      body_left_ = 0;
    } else if (has_length) {
      phase_ = Phase::Length;
    } else {
      phase_ = Phase::UntilClose;
      closes_ = true;
    }
    scanned_ = head_bytes;
    return true;
  }

  static bool is_name(std::string_view text, std::string_view name) noexcept {
    return text.size() == name.size() && strncasecmp(text.data(), name.data(), name.size()) == 0;
  }

  static std::string_view trimmed(const char* from, const char* to) noexcept {
    while (from < to && (*from == ' ' || *from == '\t')) ++from;
    while (to > from && (to[-1] == ' ' || to[-1] == '\t')) --to;
    return {from, static_cast<size_t>(to - from)};
  }

  bool read_length(std::string_view value) noexcept {
    body_left_ = 0;
    for (const char digit : value) {
      if (digit < '0' || digit > '9') return false;
      body_left_ = body_left_ * 10 + static_cast<uint64_t>(digit - '0');
      if (body_left_ > kMostBodyBytes) return false;
    }
    return !value.empty();
  }

  void take_length() noexcept {
    const size_t here = used_ - body_end_;
    if (here > body_left_) {  // more than was asked for
      phase_ = Phase::Broken;
      return;
    }
    body_left_ -= here;
    body_end_ = used_;
    if (body_left_ == 0) phase_ = Phase::Done;
  }

  // Moves the chunks' data together; all bytes that came are used up, so that the next ones follow the body's end.
  void take_chunks() noexcept {
    char* text = bytes_.get();
    size_t at = scanned_;
    while (at < used_ && phase_ != Phase::Broken) {
      if (phase_ == Phase::Done) {
        phase_ = Phase::Broken;
      } else if (phase_ == Phase::ChunkData) {
        const size_t here = static_cast<size_t>(std::min<uint64_t>(body_left_, used_ - at));
        std::memmove(text + body_end_, text + at, here);
        body_end_ += here;
        at += here;
        body_left_ -= here;
        if (body_left_ == 0) phase_ = Phase::ChunkEnd;
      } else {
        take_framing(text[at++]);
      }
    }
    used_ = scanned_ = body_end_;
  }

  void take_framing(char byte) noexcept {
    if (byte == '\r') return;  // it is the line feed that ends a line
    if (phase_ == Phase::ChunkEnd) {
      phase_ = byte == '\n' ? Phase::ChunkSize : Phase::Broken;
      chunk_has_digit_ = is_extension_ = false;
    } else if (phase_ == Phase::Trailer) {
      if (byte == '\n' && !line_has_text_) phase_ = Phase::Done;
      line_has_text_ = byte != '\n';
    } else if (byte == '\n') {
      phase_ = !chunk_has_digit_ ? Phase::Broken : body_left_ > 0 ? Phase::ChunkData : Phase::Trailer;
      line_has_text_ = false;
    } else if (!is_extension_) {
      const int digit = hex_digit(byte);
      if (digit >= 0) {
        body_left_ = body_left_ * 16 + static_cast<uint64_t>(digit);
        chunk_has_digit_ = true;
        if (body_left_ > kMostBodyBytes) phase_ = Phase::Broken;
      } else {
        is_extension_ = byte == ';' || byte == ' ' || byte == '\t';
        if (!is_extension_) phase_ = Phase::Broken;
      }
    }
  }

  static int hex_digit(char byte) noexcept {
    if (byte >= '0' && byte <= '9') return byte - '0';
    const char lower = static_cast<char>(byte | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
  }

  std::unique_ptr<char[]> bytes_;
  size_t capacity_ = 0, used_ = 0, scanned_ = 0;
  size_t body_begin_ = 0, body_end_ = 0;
  uint64_t body_left_ = 0;  // of the body, or of the chunk
  int status_ = 0;
  Phase phase_ = Phase::Head;
  bool closes_ = false, chunk_has_digit_ = false, is_extension_ = false, line_has_text_ = false;
};

}  // namespace clipper::load
