// The words of a refusal: what was found, where, what was expected.
#pragma once
#include <cstddef>
#include <string>

#include "json_scan.hpp"

namespace clipper {

// Quoted byte, or its value if it cannot be printed; at == end: the body stops here.
inline std::string describe_byte(const char* at, const char* end) {
  if (at == end) return "the end of the body";
  const auto c = static_cast<unsigned char>(*at);
  if (c >= 0x20 && c < 0x7F) return std::string("'") + *at + "'";
  constexpr char kHexDigits[] = "0123456789ABCDEF";
  return std::string("the byte 0x") + kHexDigits[c >> 4] + kHexDigits[c & 15];
}

// The kind of the JSON value that begins at `at`; a number is quoted, shortened if it is long.
inline std::string describe_value(const char* at, const char* end) {
  if (at == end) return "the end of the body";
  switch (*at) {
    case '"': return "a string";
    case '[': return "an array";
    case '{': return "an object";
    case 't': return "true";
    case 'f': return "false";
    case 'n': return "null";
    default: break;
  }
  constexpr ptrdiff_t kMaxQuotedBytes = 40;
  const char* stop = at;
  while (stop < end && (is_digit(*stop) || *stop == '-' || *stop == '+' || *stop == '.' || (*stop | 0x20) == 'e'))
    ++stop;
  if (stop == at) return describe_byte(at, end);
  if (stop - at > kMaxQuotedBytes) return std::string(at, kMaxQuotedBytes) + "...";
  return std::string(at, stop);
}

// "byte 17: found 'x', expected ':' after a key"
inline std::string describe_fault(const JsonFault& fault, const char* begin, const char* end) {
  return "byte " + std::to_string(fault.at - begin) + ": found " + describe_byte(fault.at, end) + ", expected " +
         fault.expected;
}

}  // namespace clipper
