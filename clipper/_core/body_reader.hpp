// Reads a predict body in one pass: the numbers go straight into the typed buffer.
// A method returns false when the body is refused: with out.error_* set, or, if the document is malformed, without:
// predict_body.hpp then looks for the first malformed byte off this path.
#pragma once
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "base64.hpp"
#include "body_cause.hpp"
#include "element.hpp"
#include "input_spec.hpp"
#include "json_scan.hpp"
#include "parsed_body.hpp"

namespace clipper {

class BodyReader {
 public:
  BodyReader(const char* begin, const char* end, const InputSpec& spec, const BodyLimits& limits, ParsedBody& out) noexcept
      : begin_(begin), p_(begin), end_(end), spec_(spec), limits_(limits), out_(out) {}

  bool read_body() {
    skip_space();
    if (p_ == end_ || *p_ != '{') return refuse("wrong_type", p_, "a JSON object with \"input\" or \"input_batch\"");
    ++p_;
    skip_space();
    if (!at('}')) {
      if (!read_member()) return false;
      skip_space();
      while (at(',')) {
        ++p_;
        skip_space();
        if (!read_member()) return false;
        skip_space();
      }
      if (!at('}')) return false;
    }
    ++p_;
    skip_space();
    if (p_ != end_) return false;
    if ((seen_ & (kInput | kInputBatch)) == 0) return refuse("missing_input", p_, "\"input\" or \"input_batch\" among the keys of the body");
    out_.data.resize(used_bytes_);
    return true;
  }

 private:
  // The keys that are read, as a set of those met so far.
  enum Key : unsigned { kUnknown = 0, kInput = 1, kInputBatch = 2, kVersion = 4, kContext = 8, kSloUs = 16 };

  static constexpr uint64_t kAnyCount = std::numeric_limits<uint64_t>::max();

  void skip_space() noexcept { p_ = skip_whitespace(p_, end_); }
  bool at(char c) const noexcept { return p_ < end_ && *p_ == c; }

  // -- refusing ---------------------------------------------------------------------------------------------------

  __attribute__((noinline)) bool refuse(const char* code, const char* where, const std::string& expected, uint64_t element = kAnyCount) {
    return refuse_found(code, where, describe_value(where, end_), expected, element);
  }

  bool refuse_found(const char* code, const char* where, const std::string& found, const std::string& expected, uint64_t element = kAnyCount) {
    std::string& cause = out_.error_cause;
    cause.clear();
    if (in_batch_) cause += "input_batch item " + std::to_string(out_.input_count()) + ", ";
    if (element != kAnyCount) cause += "element " + std::to_string(element) + ", ";
    cause += "byte " + std::to_string(where - begin_) + ": found " + found + ", expected " + expected;
    out_.error_code = code;
    return false;
  }

  std::string expected_element() const {
    switch (spec_.dtype) {
      case DType::Float16: case DType::Float32: case DType::Float64: return "a number";
      case DType::Bool: return "true, false, 0 or 1";
      default: return "an integer literal (no fraction, no exponent)";
    }
  }

  // -- members ----------------------------------------------------------------------------------------------------

  static Key find_key(const char* name, size_t bytes) noexcept {
    switch (bytes) {
      case 3: return std::memcmp(name, "uid", 3) == 0 ? kContext : kUnknown;
      case 5: return std::memcmp(name, "input", 5) == 0 ? kInput : kUnknown;
      case 6: return std::memcmp(name, "slo_us", 6) == 0 ? kSloUs : kUnknown;
      case 7: return std::memcmp(name, "version", 7) == 0 ? kVersion : std::memcmp(name, "context", 7) == 0 ? kContext : kUnknown;
      case 11: return std::memcmp(name, "input_batch", 11) == 0 ? kInputBatch : kUnknown;
      default: return kUnknown;
    }
  }

  bool read_key(Key& key) {
    bool has_escape;
    const char* const name = p_ + 1;
    const char* const close = at('"') ? scan_string(name, end_, has_escape, fault_) : nullptr;
    if (close == nullptr) return false;
    const auto bytes = static_cast<size_t>(close - name);
    if (!has_escape) {
      key = find_key(name, bytes);
    } else {
      scratch_.resize(bytes);
      const char* decoded_end = decode_string(name, close, scratch_.data(), fault_);
      key = decoded_end == nullptr ? kUnknown : find_key(scratch_.data(), static_cast<size_t>(decoded_end - scratch_.data()));
    }
    p_ = close + 1;
    skip_space();
    if (!at(':')) return false;
    ++p_;
    skip_space();
    return true;
  }

  bool read_member() {
    const char* const where = p_;
    Key key = kUnknown;
    if (!read_key(key)) return false;
    if (key == kUnknown) {
      const char* next = skip_value(p_, end_, limits_.max_depth - 1, fault_);
      if (next == nullptr) return false;
      p_ = next;
      return true;
    }
    if ((seen_ & key) != 0) return refuse_found("duplicate_key", where, "a key for the second time", "each of the keys that are read at most once");
    seen_ |= key;
    if ((seen_ & kInput) != 0 && (seen_ & kInputBatch) != 0) {
      return refuse_found("ambiguous_input", where, "both \"input\" and \"input_batch\"", "one of them");
    }
    switch (key) {
      case kInput: out_.offsets.push_back(0); return read_input();
      case kInputBatch: return read_input_batch();
      case kVersion: out_.has_version = true; return read_label(out_.version);
      case kContext: out_.has_context = true; return read_label(out_.context);
      default: return read_slo();
    }
  }

  bool read_slo() {
    const char* const where = p_;
    constexpr uint64_t kMaxSloUs = (uint64_t{1} << 53) - 1;  // RFC 7493: beyond it, JSON integers are not portable
    const ElementStatus status = read_element(p_, end_, out_.slo_us);
    if (status == ElementStatus::Ok && out_.slo_us > 0 && out_.slo_us <= kMaxSloUs) return true;
    if (status == ElementStatus::Malformed) return false;
    return refuse(status == ElementStatus::WrongType ? "wrong_type" : "out_of_range", where, "\"slo_us\" as a positive integer literal below 2^53");
  }

  // version, context: a string or an integer literal.
  bool read_label(std::string& label) {
    const char* const where = p_;
    if (!at('"')) {
      NumberToken token;
      const char* next = scan_number(p_, end_, token, fault_);
      if (next == nullptr || !token.is_integer) return refuse("wrong_type", where, "a string or an integer literal");
      if (static_cast<uint64_t>(next - where) > limits_.max_label_bytes) return refuse_length(where, static_cast<uint64_t>(next - where), limits_.max_label_bytes);
      label.assign(where, next);
      p_ = next;
      return true;
    }
    const char *raw, *close;
    if (!scan_text(raw, close)) return false;
    label.resize(static_cast<size_t>(close - raw));
    const char* const decoded_end = decode_text(raw, close, label.data());
    if (decoded_end == nullptr) return false;
    label.resize(static_cast<size_t>(decoded_end - label.data()));
    return label.size() <= limits_.max_label_bytes || refuse_length(where, label.size(), limits_.max_label_bytes);
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

  // `out` has room for close - raw bytes. Returns the byte after the decoded text, nullptr if it is refused.
  char* decode_text(const char* raw, const char* close, char* out) {
    char* const decoded_end = decode_string(raw, close, out, fault_);
    if (decoded_end == nullptr) refuse_found(kBadEncoding, fault_.at, "a lone surrogate", "a \\u escape of a character, or of both halves of a pair");
    return decoded_end;
  }

  // -- inputs -----------------------------------------------------------------------------------------------------

  bool read_input_batch() {
    out_.is_batch = true;
    out_.offsets.push_back(0);
    if (!at('[')) return refuse("wrong_type", p_, "an array of inputs");
    ++p_;
    skip_space();
    if (at(']')) {
      ++p_;
      return true;
    }
    in_batch_ = true;
    for (;;) {
      if (out_.input_count() == limits_.max_items) return refuse("too_many_items", p_, "at most " + std::to_string(limits_.max_items) + " inputs");
      if (!read_input()) return false;
      skip_space();
      if (!at(',')) break;
      ++p_;
      skip_space();
    }
    if (!at(']')) return false;
    ++p_;
    in_batch_ = false;
    return true;
  }

  bool read_input() {
    if (!read_typed_input()) return false;
    out_.offsets.push_back(used_bytes_);
    return true;
  }

  bool read_typed_input() {
    if (spec_.type == InputType::Strings || spec_.type == InputType::Bytes) return read_text_input();
    if (!at('[')) return refuse("wrong_type", p_, "an array of numbers");
    switch (spec_.dtype) {
      case DType::Int8: return read_array<int8_t>();
      case DType::UInt8: return read_array<uint8_t>();
      case DType::Int16: return read_array<int16_t>();
      case DType::UInt16: return read_array<uint16_t>();
      case DType::Int32: return read_array<int32_t>();
      case DType::UInt32: return read_array<uint32_t>();
      case DType::Int64: return read_array<int64_t>();
      case DType::UInt64: return read_array<uint64_t>();
      case DType::Float16: return read_array<Float16>();
      case DType::Float32: return read_array<float>();
      case DType::Float64: return read_array<double>();
      case DType::Bool: return read_array<Boolean>();
      default: return refuse_found("wrong_type", p_, "an application whose element type is not numeric", "a numeric one");
    }
  }

  bool read_text_input() {
    const bool is_base64 = spec_.type == InputType::Bytes;
    const char* const where = p_;
    if (!at('"')) return refuse("wrong_type", p_, is_base64 ? "a base64 string" : "a string");
    const char *raw, *close;
    if (!scan_text(raw, close)) return false;
    char* const text = make_room(static_cast<size_t>(close - raw));
    const char* decoded_end = decode_text(raw, close, text);
    if (decoded_end == nullptr) return false;
    if (is_base64) {
      Base64Fault fault;
      decoded_end = decode_base64(text, static_cast<size_t>(decoded_end - text), text, fault);
      if (decoded_end == nullptr) return refuse_found("bad_base64", where, "a fault at symbol " + std::to_string(fault.index), fault.expected);
    }
    const auto bytes = static_cast<size_t>(decoded_end - text);
    if (bytes > limits_.max_string_bytes) return refuse_length(where, bytes, limits_.max_string_bytes);
    if (spec_.element_count != 0 && bytes != spec_.element_count) {
      return refuse_found("wrong_length", where, std::to_string(bytes) + " bytes", std::to_string(spec_.element_count));
    }
    used_bytes_ += bytes;
    return true;
  }

  // p_ stands on the opening bracket. The nested form is taken where the shape has rows and an array comes first.
  template <class Element>
  bool read_array() {
    ++p_;
    skip_space();
    const size_t rank = spec_.shape.size();
    if (rank >= 2 && rank <= kMaxRank && at('[')) return read_nested<Element>();
    return read_row<Element>(spec_.element_count == 0 ? kAnyCount : spec_.element_count);
  }

  // p_ stands on the first bracket inside the outermost array. Walks the shape without recursion: one count a level.
  template <class Element>
  bool read_nested() {
    const std::vector<uint64_t>& shape = spec_.shape;
    uint64_t counts[kMaxRank];
    size_t open = 1;
    counts[0] = 0;
    for (;;) {
      if (at(']') && counts[open - 1] == 0) return refuse_count(0, shape[open - 1], "arrays");
      if (counts[open - 1] == shape[open - 1]) return refuse("wrong_length", p_, std::to_string(shape[open - 1]) + " arrays at this level", counts[open - 1]);
      if (!at('[')) return refuse("wrong_type", p_, "an array, as the shape has it", counts[open - 1]);
      ++p_;
      skip_space();
      if (open + 1 < shape.size()) {
        counts[open++] = 0;
        continue;
      }
      if (!read_row<Element>(shape.back())) return false;
      ++counts[open - 1];
      skip_space();
      while (at(']')) {
        if (counts[open - 1] != shape[open - 1]) return refuse_count(counts[open - 1], shape[open - 1], "arrays");
        ++p_;
        if (--open == 0) return true;
        ++counts[open - 1];
        skip_space();
      }
      if (!at(',')) return false;
      ++p_;
      skip_space();
    }
  }

  bool refuse_count(uint64_t count, uint64_t expected, const char* what) {
    return refuse_found("wrong_length", p_, std::to_string(count) + " " + what, std::to_string(expected));
  }

  // p_ stands behind an opening bracket and whitespace. Reads elements up to the closing bracket, and that.
  template <class Element>
  bool read_row(uint64_t expected_count) {
    uint64_t count = 0;
    if (at(']')) {
      if (expected_count != kAnyCount && expected_count != 0) return refuse_count(0, expected_count, "elements");
      ++p_;
      return true;
    }
    const char* p = p_;
    char* out = nullptr;
    char* out_end = nullptr;
    for (;; ++count) {
      if (__builtin_expect(count == expected_count, 0)) {
        return refuse("wrong_length", p, std::to_string(expected_count) + " elements", count);
      }
      if (__builtin_expect(out == out_end, 0)) {
        if (out != nullptr) used_bytes_ = static_cast<size_t>(out - out_.data.data());
        out = make_element_room<Element>(p, expected_count - count);
        out_end = out_.data.data() + used_bytes_ + (out_.data.size() - used_bytes_) / sizeof(Element) * sizeof(Element);
      }
      Element value;
      const ElementStatus status = read_element(p, end_, value);
      if (__builtin_expect(status != ElementStatus::Ok, 0)) return refuse_element(status, p, count);
      std::memcpy(out, &value, sizeof value);
      out += sizeof value;
      if (__builtin_expect(p < end_ && *p != ',' && *p != ']', 0)) p = skip_whitespace(p, end_);
      if (p == end_) return false;
      if (*p != ',') break;
      ++p;
      if (p < end_ && static_cast<unsigned char>(*p) <= ' ') p = skip_whitespace(p, end_);
    }
    if (*p != ']') return false;
    p_ = p;
    if (expected_count != kAnyCount && ++count != expected_count) return refuse_count(count, expected_count, "elements");
    ++p_;
    used_bytes_ = static_cast<size_t>(out - out_.data.data());
    return true;
  }

  __attribute__((noinline)) bool refuse_element(ElementStatus status, const char* where, uint64_t element) {
    if (status == ElementStatus::Malformed) return false;
    if (status == ElementStatus::WrongType) return refuse("wrong_type", where, expected_element(), element);
    return refuse("out_of_range", where, expected_element() + " that the element type can hold", element);
  }

  // -- the buffer ---------------------------------------------------------------------------------------------------

  // Room behind what is used; grows by doubling, since growing clears the new part.
  char* make_room(size_t bytes) {
    std::vector<char>& data = out_.data;
    if (data.size() - used_bytes_ < bytes) data.resize(std::max(used_bytes_ + bytes, 2 * data.size()));
    return data.data() + used_bytes_;
  }

  // Room for at least one element, and for as many as may come: at most `wanted`, and one for every two bytes of text
  // left, so that no declared shape makes a small body take much memory.
  template <class Element>
  char* make_element_room(const char* p, uint64_t wanted) {
    constexpr uint64_t kFirstGuess = 32;
    const uint64_t possible = (static_cast<uint64_t>(end_ - p) + 1) / 2 + 1;
    const uint64_t guess = spec_.element_count == 0 ? kFirstGuess : wanted;
    return make_room(static_cast<size_t>(std::min(guess, possible)) * sizeof(Element));
  }

  const char* const begin_;
  const char* p_;
  const char* const end_;
  const InputSpec& spec_;
  const BodyLimits& limits_;
  ParsedBody& out_;
  size_t used_bytes_ = 0;   // of out_.data, which is larger while reading
  unsigned seen_ = 0;       // keys met
  bool in_batch_ = false;   // for the words of a refusal
  std::string scratch_;     // a key that is written with escapes, decoded
  JsonFault fault_;
};

}  // namespace clipper
