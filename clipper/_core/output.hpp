// One model output: the JSON text that stands after "output": in a response. Immutable and reference counted,
// so that the cache, every joined query and the gather step share one allocation.
// Counts are plain integers: an Output never leaves the loop thread of its worker.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>

namespace clipper {

struct Output {
  uint32_t references;
  uint32_t bytes;
  char text[1];  // `bytes` bytes of JSON follow; not NUL-terminated

  static Output* create(const char* json, uint32_t bytes) {
    auto* output = static_cast<Output*>(std::malloc(offsetof(Output, text) + (bytes ? bytes : 1)));
    if (output == nullptr) throw std::bad_alloc();
    output->references = 1;
    output->bytes = bytes;
    if (json != nullptr) std::memcpy(output->text, json, bytes);
    return output;
  }
  Output* retain() noexcept { ++references; return this; }
  void release() noexcept { if (--references == 0) std::free(this); }
};

}  // namespace clipper
