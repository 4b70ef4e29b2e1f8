// Where the reading of a body has got to, and how it is refused: the common part of input_reader.hpp,
// body_reader.hpp and update_body.hpp.
//
// A method of these readers returns false when the body is refused: with out.error_* set, or, if the document is
// malformed, without: predict_body.hpp then looks for the first malformed byte, off this path.
#pragma once
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

#include "body_cause.hpp"
#include "json_scan.hpp"
#include "parsed_body.hpp"

namespace clipper {

class BodyCursor {
 protected:
  static constexpr uint64_t kAnyCount = std::numeric_limits<uint64_t>::max();

  BodyCursor(const char* begin, const char* end, ParsedBody& out) noexcept
      : begin_(begin), p_(begin), end_(end), out_(out) {}

  void skip_space() noexcept { p_ = skip_whitespace(p_, end_); }
  bool at(char c) const noexcept { return p_ < end_ && *p_ == c; }

  __attribute__((noinline)) bool refuse(const char* code, const char* where, const std::string& expected,
                                        uint64_t element = kAnyCount) {
    return refuse_found(code, where, describe_value(where, end_), expected, element);
  }

  bool refuse_found(const char* code, const char* where, const std::string& found, const std::string& expected,
                    uint64_t element = kAnyCount) {
    std::string& cause = out_.error_cause;
    cause.clear();
    if (in_batch_) cause += "input_batch item " + std::to_string(out_.input_count()) + ", ";
    if (element != kAnyCount) cause += "element " + std::to_string(element) + ", ";
    cause += "byte " + std::to_string(where - begin_) + ": found " + found + ", expected " + expected;
    out_.error_code = code;
    return false;
  }

  bool refuse_length(const char* where, uint64_t bytes, uint64_t max_bytes) {
    return refuse_found("too_long", where, std::to_string(bytes) + " bytes", "at most " + std::to_string(max_bytes));
  }

  // Moves behind the string at p_; [raw, close) is what stands between its quotes.
  bool scan_text(const char*& raw, const char*& close) noexcept {
    bool has_escape;
    raw = p_ + 1;
    close = scan_string(raw, end_, has_escape, fault_);
    if (close == nullptr) return false;
    p_ = close + 1;
    return true;
  }

  // Moves from a key to the first byte of its value. `name`, the key decoded, is valid until the next call; a key that
  // cannot be decoded is no key that is read, and empty.
  bool read_key_name(std::string_view& name) {
    bool has_escape;
    const char* const raw = p_ + 1;
    const char* const close = at('"') ? scan_string(raw, end_, has_escape, fault_) : nullptr;
    if (close == nullptr) return false;
    name = std::string_view(raw, static_cast<size_t>(close - raw));
    if (has_escape) {
      scratch_.resize(name.size());
      const char* const decoded_end = decode_string(raw, close, scratch_.data(), fault_);
      name = decoded_end == nullptr
                 ? std::string_view()
                 : std::string_view(scratch_.data(), static_cast<size_t>(decoded_end - scratch_.data()));
    }
    p_ = close + 1;
    skip_space();
    if (!at(':')) return false;
    ++p_;
    skip_space();
    return true;
  }

  // `out` has room for close - raw bytes. Returns the byte after the decoded text, nullptr if it is refused.
  char* decode_text(const char* raw, const char* close, char* out) {
    char* const decoded_end = decode_string(raw, close, out, fault_);
    if (decoded_end == nullptr)
      refuse_found(kBadEncoding, fault_.at, "a lone surrogate",
                   "a \\u escape of a character, or of both halves of a pair");
    return decoded_end;
  }

  const char* const begin_;
  const char* p_;
  const char* const end_;
  ParsedBody& out_;
  bool in_batch_ = false;  // for the words of a refusal
  JsonFault fault_;        // the scanner's; only lone surrogates are reported from here

 private:
  std::string scratch_;    // a key that is written with escapes, decoded
};

}  // namespace clipper
