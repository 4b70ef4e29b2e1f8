// Reads a predict body, member by member, in one pass.
#pragma once
#include <cstdint>
#include <cstring>
#include <string>

#include "input_reader.hpp"

namespace clipper {

class BodyReader : private InputReader {
 public:
  BodyReader(const char* begin, const char* end, const InputSpec& spec, const BodyLimits& limits,
             ParsedBody& out) noexcept
      : InputReader(begin, end, spec, limits, out) {}

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
    if ((seen_ & (kInput | kInputBatch)) == 0)
      return refuse("missing_input", p_, "\"input\" or \"input_batch\" among the keys of the body");
    out_.data.resize(used_bytes_);
    out_.inputs = out_.data.data();
    return true;
  }

 private:
  // The keys that are read, as a set of those met so far.
  enum Key : unsigned { kUnknown = 0, kInput = 1, kInputBatch = 2, kVersion = 4, kContext = 8, kSloUs = 16 };

  static Key find_key(const char* name, size_t bytes) noexcept {
    switch (bytes) {
      case 3: return std::memcmp(name, "uid", 3) == 0 ? kContext : kUnknown;
      case 5: return std::memcmp(name, "input", 5) == 0 ? kInput : kUnknown;
      case 6: return std::memcmp(name, "slo_us", 6) == 0 ? kSloUs : kUnknown;
      case 7:
        return std::memcmp(name, "version", 7) == 0   ? kVersion
               : std::memcmp(name, "context", 7) == 0 ? kContext
                                                      : kUnknown;
      case 11: return std::memcmp(name, "input_batch", 11) == 0 ? kInputBatch : kUnknown;
      default: return kUnknown;
    }
  }

  bool read_member() {
    const char* const where = p_;
    std::string_view name;
    if (!read_key_name(name)) return false;
    const Key key = find_key(name.data(), name.size());
    if (key == kUnknown) {
      const char* next = skip_value(p_, end_, limits_.max_depth - 1, fault_);
      if (next == nullptr) return false;
      p_ = next;
      return true;
    }
    if ((seen_ & key) != 0)
      return refuse_found("duplicate_key", where, "a key for the second time",
                          "each of the keys that are read at most once");
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
    return refuse(status == ElementStatus::WrongType ? "wrong_type" : "out_of_range", where,
                  "\"slo_us\" as a positive integer literal below 2^53");
  }

  // version, context: a string or an integer literal.
  bool read_label(std::string& label) {
    const char* const where = p_;
    if (!at('"')) {
      NumberToken token;
      const char* next = scan_number(p_, end_, token, fault_);
      if (next == nullptr || !token.is_integer) return refuse("wrong_type", where, "a string or an integer literal");
      if (static_cast<uint64_t>(next - where) > limits_.max_label_bytes)
        return refuse_length(where, static_cast<uint64_t>(next - where), limits_.max_label_bytes);
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
      if (out_.input_count() == limits_.max_items)
        return refuse("too_many_items", p_, "at most " + std::to_string(limits_.max_items) + " inputs");
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

  unsigned seen_ = 0;  // keys met
};

}  // namespace clipper
