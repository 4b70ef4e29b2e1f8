// A query's numbers as a row of doubles: what policies that select by features are given.
#pragma once
#include <cmath>
#include <cstdint>
#include <cstring>

#include "input_spec.hpp"

namespace clipper {

inline double from_float16(uint16_t bits) noexcept {
  const int exponent = (bits >> 10) & 0x1F;
  const double mantissa = bits & 0x3FF;
  const double sign = (bits & 0x8000) != 0 ? -1.0 : 1.0;
  if (exponent == 0) return sign * std::ldexp(mantissa, -24);
  if (exponent == 0x1F) return mantissa != 0.0 ? std::nan("") : sign * HUGE_VAL;
  return sign * std::ldexp(mantissa + 1024.0, exponent - 25);
}

template <class Element>
inline bool widen(const char* data, size_t count, double* row) noexcept {
  bool is_finite = true;
  for (size_t i = 0; i < count; ++i) {
    Element element;
    std::memcpy(&element, data + i * sizeof element, sizeof element);
    row[i] = static_cast<double>(element);
    is_finite = is_finite && std::isfinite(row[i]);
  }
  return is_finite;
}

inline bool widen_float16(const char* data, size_t count, double* row) noexcept {
  bool is_finite = true;
  for (size_t i = 0; i < count; ++i) {
    uint16_t bits;
    std::memcpy(&bits, data + i * sizeof bits, sizeof bits);
    row[i] = from_float16(bits);
    is_finite = is_finite && std::isfinite(row[i]);
  }
  return is_finite;
}

// Writes `count` elements into `row`. False: they are no numbers, or one of them is not finite.
inline bool read_features(const char* data, size_t count, DType dtype, double* row) noexcept {
  switch (dtype) {
    case DType::Int8: return widen<int8_t>(data, count, row);
    case DType::UInt8: case DType::Bool: return widen<uint8_t>(data, count, row);
    case DType::Int16: return widen<int16_t>(data, count, row);
    case DType::UInt16: return widen<uint16_t>(data, count, row);
    case DType::Int32: return widen<int32_t>(data, count, row);
    case DType::UInt32: return widen<uint32_t>(data, count, row);
    case DType::Int64: return widen<int64_t>(data, count, row);
    case DType::UInt64: return widen<uint64_t>(data, count, row);
    case DType::Float16: return widen_float16(data, count, row);
    case DType::Float32: return widen<float>(data, count, row);
    case DType::Float64: return widen<double>(data, count, row);
    default: return false;
  }
}

}  // namespace clipper
