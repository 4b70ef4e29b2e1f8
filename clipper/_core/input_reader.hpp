// Reads one input of a body: the numbers go straight into the typed buffer, in one pass.
#pragma once
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "base64.hpp"
#include "body_cursor.hpp"
#include "element.hpp"
#include "input_spec.hpp"

namespace clipper {

class InputReader : protected BodyCursor {
 protected:
  InputReader(const char* begin, const char* end, const InputSpec& spec, const BodyLimits& limits,
              ParsedBody& out) noexcept
      : BodyCursor(begin, end, out), spec_(spec), limits_(limits) {}

  // Reads the input at p_ to the end of the buffer and notes where it ends.
  bool read_input() {
    if (!read_typed_input()) return false;
    out_.offsets.push_back(used_bytes_);
    return true;
  }

  const InputSpec& spec_;
  const BodyLimits& limits_;
  size_t used_bytes_ = 0;  // of out_.data, which is larger while reading

 private:
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
      default:
        return refuse_found("wrong_type", p_, "an application whose element type is not numeric", "a numeric one");
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
      if (decoded_end == nullptr)
        return refuse_found("bad_base64", where, "a fault at symbol " + std::to_string(fault.index), fault.expected);
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
      if (counts[open - 1] == shape[open - 1])
        return refuse("wrong_length", p_, std::to_string(shape[open - 1]) + " arrays at this level", counts[open - 1]);
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
    const char* const end = end_;  // a local is not reloaded after every store into the buffer
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
      const ElementStatus status = read_element(p, end, value);
      if (__builtin_expect(status != ElementStatus::Ok, 0)) return refuse_element(status, p, count);
      std::memcpy(out, &value, sizeof value);
      out += sizeof value;
      if (__builtin_expect(p < end && *p != ',' && *p != ']', 0)) p = skip_whitespace(p, end);
      if (p == end) return false;
      if (*p != ',') break;
      ++p;
      if (p < end && static_cast<unsigned char>(*p) <= ' ') p = skip_whitespace(p, end);
    }
    if (*p != ']') return false;
    p_ = p;
    if (expected_count != kAnyCount && ++count != expected_count)
      return refuse_count(count, expected_count, "elements");
    ++p_;
    used_bytes_ = static_cast<size_t>(out - out_.data.data());
    return true;
  }

  __attribute__((noinline)) bool refuse_element(ElementStatus status, const char* where, uint64_t element) {
    if (status == ElementStatus::Malformed) return false;
    if (status == ElementStatus::WrongType) return refuse("wrong_type", where, expected_element(), element);
    return refuse("out_of_range", where, expected_element() + " that the element type can hold", element);
  }

  std::string expected_element() const {
    switch (spec_.dtype) {
      case DType::Float16:
      case DType::Float32:
      case DType::Float64: return "a number";
      case DType::Bool: return "true, false, 0 or 1";
      default: return "an integer literal (no fraction, no exponent)";
    }
  }

  // -- the buffer ---------------------------------------------------------------------------------------------------

  // Room behind what is used, and never a null pointer; grows by doubling, since growing may move what is there.
  char* make_room(size_t bytes) {
    bytes = std::max<size_t>(bytes, 1);
    RawBytes& data = out_.data;
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
};

}  // namespace clipper
