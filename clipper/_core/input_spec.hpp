// What an application accepts: the type, element type and shape of one input.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace clipper {

// The six input types of the query API. The values are part of the RPC schema (model_containers/wire.py).
enum class InputType : uint8_t { Integers = 1, Floats = 2, Doubles = 3, Strings = 4, Bytes = 5, Tensor = 6 };

// Element types. The values are part of the RPC schema (model_containers/wire.py).
enum class DType : uint8_t {
  None = 0, Int8 = 1, UInt8 = 2, Int16 = 3, UInt16 = 4, Int32 = 5, UInt32 = 6, Int64 = 7, UInt64 = 8,
  Float16 = 9, Float32 = 10, Float64 = 11, Bool = 12, Bytes = 13, String = 14, Json = 15,
};

// Bytes of one element; 1 for Bytes, String and Json, whose items are measured in bytes.
inline uint32_t dtype_bytes(DType dtype) noexcept {
  switch (dtype) {
    case DType::Int16: case DType::UInt16: case DType::Float16: return 2;
    case DType::Int32: case DType::UInt32: case DType::Float32: return 4;
    case DType::Int64: case DType::UInt64: case DType::Float64: return 8;
    case DType::None: return 0;
    default: return 1;
  }
}

struct InputSpec {
  InputType type = InputType::Doubles;
  DType dtype = DType::Float64;     // int32 for integers, float32 for floats, float64 for doubles, Bytes, String
  uint64_t element_count = 0;       // elements of one input; 0 = any length (never 0 for Tensor)
  std::vector<uint64_t> shape;      // empty unless declared; product == element_count
};

}  // namespace clipper
