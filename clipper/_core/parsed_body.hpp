// What the body parser is given as limits and what it fills.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "json_scan.hpp"
#include "raw_bytes.hpp"

namespace clipper {

struct BodyLimits {
  uint64_t max_items = 4096;                       // inputs in one input_batch
  uint64_t max_depth = kDefaultMaxDepth;           // open arrays and objects, the body counted as 1; taken as at least
                                                   // kMinDepthLimit and at most kDepthCeiling
  uint64_t max_string_bytes = uint64_t{16} << 20;  // one decoded strings or bytes input: 16 MiB, the body limit
  uint64_t max_label_bytes = 1024;                 // decoded version or context: they become keys of tables
};

// Reading a tensor opens at most kMaxRank + 2 arrays and objects; no limit may forbid those.
constexpr uint64_t kMinDepthLimit = 64;
// Tensors of a higher rank (numpy knew none until 2024) are accepted in the flat form only.
constexpr size_t kMaxRank = 32;

// Reused for every request of a worker. Valid until the next parse, and its inputs no longer than the body they came in.
struct ParsedBody {
  RawBytes data;                  // what was read from text
  const char* inputs = nullptr;   // all inputs, typed, native little-endian: in `data`, or in a body that is binary itself
  std::vector<uint64_t> offsets;  // input_count() + 1 byte offsets into the inputs
  bool is_batch = false;          // "input_batch", or a Clipper-Batch header
  bool has_version = false;
  bool has_context = false;
  std::string version;  // decoded UTF-8
  std::string context;  // decoded UTF-8
  uint64_t slo_us = 0;  // 0 = absent

  const char* error_code = nullptr;  // static text; nullptr = no error
  std::string error_cause;           // what was found, where, what was expected

  // Empties everything and keeps the capacity, unless one huge body has blown it up.
  void clear() noexcept {
    constexpr size_t kKeptBytes = size_t{1} << 20;
    if (data.capacity() > kKeptBytes) data.release();
    if (offsets.capacity() * sizeof(uint64_t) > kKeptBytes) std::vector<uint64_t>().swap(offsets);
    data.clear();
    inputs = nullptr;
    offsets.clear();
    is_batch = has_version = has_context = false;
    version.clear();
    context.clear();
    slo_us = 0;
    error_code = nullptr;
    error_cause.clear();
  }

  size_t input_count() const noexcept { return offsets.empty() ? 0 : offsets.size() - 1; }
};

}  // namespace clipper
