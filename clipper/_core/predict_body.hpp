// The body of POST /<app>/predict -> typed inputs, back to back in one buffer, without one object per number.
//
// The documented answers (tests/support/predict_body_twin.py gives the same ones, written as plainly as can be):
//
//   error_code       given for
//   bad_encoding     invalid UTF-8 anywhere in the body, also in what is skipped; a lone surrogate (\ud800) in a string
//                    that is read (in other strings and in keys it is grammatical, RFC 8259 section 8.2, and ignored)
//   json_error       not exactly one RFC 8259 value: empty body, trailing bytes, byte order mark, NUL bytes, NaN,
//                    Infinity, .5, 01, 1., +1, raw control characters, single quotes, comments, trailing commas
//   too_deep         more than max_depth open arrays and objects
//   wrong_type       the body is no object; a value of another kind than the application's input type; null anywhere;
//                    1.0 or 1e3 where an integer is expected (integers are written without fraction and exponent);
//                    a number for true/false unless it is the integer 0 or 1; numbers and arrays mixed in a tensor
//   out_of_range     a number that the type cannot hold; one that rounds to infinity; slo_us outside 1..2^53-1.
//                    Too small is not out of range: it rounds to a subnormal or to zero. The sign of -0.0 is kept.
//   wrong_length     another number of elements (bytes, for strings and bytes) than the application declares
//   bad_base64       a bytes input that is not RFC 4648 base64: alphabet, padding, unused bits
//   too_long         a decoded string or bytes input above max_string_bytes; version or context above max_label_bytes
//   too_many_items   more than max_items inputs in input_batch (an empty batch is a batch of none, and valid)
//   duplicate_key    a key that is read is there twice ("uid" is another name of "context"); unknown keys may repeat
//   ambiguous_input  both "input" and "input_batch"
//   missing_input    neither of them
//   no_binary_form   a binary body for strings, or for an application that declares no shape
//   out_of_memory    the buffer could not grow
//
// A body with several faults gets one answer: bad_encoding of the body, then json_error or too_deep, whichever comes
// first, then the rest in document order. So a malformed document is never reported as anything else.
// "version" and "context" are a string or an integer literal (its text is taken as written), "slo_us" an integer.
// Keys count as what they decode to: "\u0069nput" is "input". Integer literals are valid floats. Binary bodies may
// hold NaN and infinity, which JSON cannot write; binary booleans are the bytes 0 and 1.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <new>
#include <string>
#include <utility>

#include "body_cause.hpp"
#include "body_reader.hpp"
#include "input_spec.hpp"
#include "json_scan.hpp"
#include "parsed_body.hpp"

namespace clipper {

// The answer to a body that was refused for what it says is about that only if the whole body is well-formed.
// Costs one or two more linear passes, on this path alone.
inline void rank_faults(const char* begin, const char* end, uint64_t max_depth, ParsedBody& out) {
  JsonFault fault;
  if (const char* invalid = find_invalid_utf8(begin, end)) {
    fault.set(kBadEncoding, invalid, "well-formed UTF-8");
  } else if (check_document(begin, end, max_depth, fault)) {
    if (out.error_code == nullptr) out.error_code = "internal_error";  // the reader must have said why
    return;
  }
  out.error_code = fault.code;
  out.error_cause = describe_fault(fault, begin, end);
}

inline bool refuse_for_memory(ParsedBody& out) noexcept {
  out.clear();
  out.error_code = "out_of_memory";
  out.error_cause = "out of memory";  // short enough to need no allocation
  return false;
}

// Fills `out`; false => out.error_code and out.error_cause say why, and the rest of it has no meaning.
inline bool parse_json_body(const char* p, size_t n, const InputSpec& spec, const BodyLimits& limits,
                            ParsedBody& out) noexcept {
  out.clear();
  try {
    BodyLimits effective = limits;
    effective.max_depth = std::clamp(limits.max_depth, kMinDepthLimit, kDepthCeiling);
    BodyReader reader(p, p + n, spec, effective, out);
    if (reader.read_body()) return true;
    rank_faults(p, p + n, effective.max_depth, out);
  } catch (const std::bad_alloc&) {
    return refuse_for_memory(out);
  }
  return false;
}

inline bool refuse_binary(ParsedBody& out, const char* code, std::string cause) {
  out.error_code = code;
  out.error_cause = std::move(cause);
  return false;
}

inline bool read_binary_body(const char* p, size_t n, const InputSpec& spec, const BodyLimits& limits,
                             uint64_t clipper_batch, ParsedBody& out) {
  if (spec.type == InputType::Strings)
    return refuse_binary(out, "no_binary_form", "strings have no binary form, expected a JSON body");
  if (spec.element_count == 0)
    return refuse_binary(out, "no_binary_form", "the application declares no shape, expected a JSON body");
  if (clipper_batch > limits.max_items) {
    return refuse_binary(out, "too_many_items",
                         "Clipper-Batch: found " + std::to_string(clipper_batch) + " inputs, expected at most " +
                             std::to_string(limits.max_items));
  }
  const uint64_t count = clipper_batch == 0 ? 1 : clipper_batch;
  uint64_t item_bytes, expected_bytes;
  const bool overflow = __builtin_mul_overflow(spec.element_count, uint64_t{dtype_bytes(spec.dtype)}, &item_bytes) ||
                        __builtin_mul_overflow(item_bytes, count, &expected_bytes);
  if (overflow || n != expected_bytes) {
    return refuse_binary(out, "wrong_length",
                         "the body has " + std::to_string(n) + " bytes, expected " + std::to_string(count) +
                             " input(s) of " + std::to_string(spec.element_count) + " elements of " +
                             std::to_string(dtype_bytes(spec.dtype)) + " bytes");
  }
  for (size_t i = 0; spec.dtype == DType::Bool && i < n; ++i) {
    if (static_cast<unsigned char>(p[i]) > 1)
      return refuse_binary(
          out, "out_of_range",
          "byte " + std::to_string(i) + ": found " + describe_byte(p + i, p + n) + ", expected a boolean, byte 0 or 1");
  }
  out.is_batch = clipper_batch != 0;
  out.inputs = p;  // as they stand: a copy of an image costs more than all the rest of this
  for (uint64_t i = 0; i <= count; ++i) out.offsets.push_back(i * item_bytes);
  return true;
}

// The application/octet-stream form: row-major little-endian data of one input, or of `clipper_batch` inputs
// (0 = the header is absent; the caller refuses a header that says 0). The inputs stay where they are, in the body.
inline bool parse_binary_body(const char* p, size_t n, const InputSpec& spec, const BodyLimits& limits,
                              uint64_t clipper_batch, ParsedBody& out) noexcept {
  out.clear();
  try {
    return read_binary_body(p, n, spec, limits, clipper_batch, out);
  } catch (const std::bad_alloc&) {
    return refuse_for_memory(out);
  }
}

}  // namespace clipper
