// Many short pieces behind a string at the price of one append: room is made once, the pieces are copied into it.
#pragma once

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace clipper {

class AppendedText {
 public:
  static constexpr size_t kIntegerBytes = 20;  // 2^64 - 1 has 20 digits

  // `most_bytes`: never less than what will be put; the caller knows its pieces. `out` is touched by nobody else until
  // end().
  AppendedText(std::string& out, size_t most_bytes) : out_(out), begin_bytes_(out.size()) {
    out.resize(begin_bytes_ + most_bytes);
    at_ = out.data() + begin_bytes_;
  }

  void put(std::string_view piece) noexcept {
    if (piece.empty()) return;  // it may be without data, which memcpy must not be given
    std::memcpy(at_, piece.data(), piece.size());
    at_ += piece.size();
  }
  void put_integer(uint64_t value) noexcept { at_ = std::to_chars(at_, at_ + kIntegerBytes, value).ptr; }

  void end() noexcept { out_.resize(static_cast<size_t>(at_ - out_.data())); }

 private:
  std::string& out_;
  size_t begin_bytes_;
  char* at_;
};

}  // namespace clipper
