// The body of a prediction request, JSON or binary: byte 0 is the input type, byte 1 the shape, byte 2 the limits and the
// form, the rest is the body. What is accepted must be JSON of the declared shape; what is refused must say why.
#include "fuzz_target.hpp"
#include "json_scan.hpp"
#include "predict_body.hpp"
#include "utf8.hpp"

namespace {

using namespace clipper;

const char* const kCodes[] = {"bad_encoding", "json_error",      "too_deep",       "wrong_type",    "out_of_range",
                              "wrong_length", "bad_base64",      "too_long",       "too_many_items", "duplicate_key",
                              "missing_input", "ambiguous_input", "no_binary_form"};

bool is_documented(const char* code) {
  for (const char* const known : kCodes) {
    if (std::strcmp(code, known) == 0) return true;
  }
  return false;
}

InputSpec spec_of(uint8_t type, uint8_t shape) {
  InputSpec spec;
  switch (type % 6) {
    case 0: spec.type = InputType::Integers; spec.dtype = DType::Int32; break;
    case 1: spec.type = InputType::Floats; spec.dtype = DType::Float32; break;
    case 2: spec.type = InputType::Doubles; spec.dtype = DType::Float64; break;
    case 3: spec.type = InputType::Strings; spec.dtype = DType::String; break;
    case 4: spec.type = InputType::Bytes; spec.dtype = DType::Bytes; break;
    default: {
      spec.type = InputType::Tensor;
      spec.dtype = static_cast<DType>(1 + type / 6 % 12);
      spec.element_count = 1;
      for (int i = 0; i < 1 + shape % 3; ++i) {
        spec.shape.push_back(1 + (shape >> 2 >> (2 * i)) % 4);
        spec.element_count *= spec.shape.back();
      }
      return spec;
    }
  }
  spec.element_count = shape % 8;
  if (spec.element_count != 0) spec.shape.push_back(spec.element_count);
  return spec;
}

void check_accepted(const ParsedBody& out, const InputSpec& spec, const BodyLimits& limits) {
  EXPECT(out.error_code == nullptr);
  EXPECT(out.input_count() <= limits.max_items && (out.is_batch || out.input_count() == 1));
  EXPECT(!out.offsets.empty() && out.offsets.front() == 0);
  EXPECT(out.inputs == out.data.data() ? out.offsets.back() == out.data.size() : out.data.empty());
  for (size_t i = 0; i + 1 < out.offsets.size(); ++i) {
    EXPECT(out.offsets[i] <= out.offsets[i + 1]);
    const uint64_t bytes = out.offsets[i + 1] - out.offsets[i];
    EXPECT(bytes % dtype_bytes(spec.dtype) == 0);
    if (spec.element_count != 0) EXPECT(bytes == spec.element_count * dtype_bytes(spec.dtype));
  }
  if (spec.type == InputType::Strings) EXPECT(find_invalid_utf8(out.inputs, out.inputs + out.offsets.back()) == nullptr);
  EXPECT(out.version.size() <= limits.max_label_bytes && out.context.size() <= limits.max_label_bytes);
}

void check_refused(const ParsedBody& out) {
  EXPECT(out.error_code != nullptr && is_documented(out.error_code) && !out.error_cause.empty());
  EXPECT(find_invalid_utf8(out.error_cause.data(), out.error_cause.data() + out.error_cause.size()) == nullptr);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t bytes) {
  static ParsedBody reused;  // as a worker's is: nothing of the body before may show
  fuzz::Input input(data, bytes);
  const uint8_t type = input.byte(), shape = input.byte(), form = input.byte();
  const InputSpec spec = spec_of(type, shape);
  BodyLimits limits;
  if ((form & 1) != 0) limits = {3, kMinDepthLimit, 8, 4};
  const uint64_t clipper_batch = form >> 2;
  const fuzz::Exact body(input.rest());
  const bool is_binary = (form & 2) != 0;
  const bool accepted = is_binary ? parse_binary_body(body.data(), body.size(), spec, limits, clipper_batch, reused)
                                  : parse_json_body(body.data(), body.size(), spec, limits, reused);
  if (accepted) check_accepted(reused, spec, limits); else check_refused(reused);
  if (is_binary) {
    EXPECT(!accepted || (reused.inputs == body.data() && reused.offsets.back() == body.size()));
    return 0;
  }
  JsonFault fault;
  const bool is_json = find_invalid_utf8(body.data(), body.end()) == nullptr &&
                       check_document(body.data(), body.end(), kMinDepthLimit > limits.max_depth ? kMinDepthLimit : limits.max_depth, fault);
  if (accepted) EXPECT(is_json);
  if (!is_json) EXPECT(!accepted);
  ParsedBody fresh;
  EXPECT(parse_json_body(body.data(), body.size(), spec, limits, fresh) == accepted);
  EXPECT(accepted || std::strcmp(fresh.error_code, reused.error_code) == 0);
  EXPECT(!accepted || (fresh.offsets == reused.offsets && fresh.version == reused.version &&
                       (fresh.data.size() == 0 || std::memcmp(fresh.data.data(), reused.data.data(), fresh.data.size()) == 0)));
  return 0;
}
