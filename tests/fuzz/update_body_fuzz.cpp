// The body of feedback: byte 0 chooses the limits, the rest is the body. What is accepted must be a JSON object that
// says what feedback needs; what is refused must say why, by a documented code.
#include "fuzz_target.hpp"
#include "json_scan.hpp"
#include "update_body.hpp"
#include "utf8.hpp"

namespace {

using namespace clipper;

const char* const kCodes[] = {"bad_encoding",    "json_error",       "too_deep",           "wrong_type",
                              "out_of_range",    "too_long",         "duplicate_key",      "no_batch_form",
                              "missing_query",   "ambiguous_query",  "missing_feedback",   "ambiguous_feedback",
                              "label_required"};

bool is_documented(const char* code) {
  for (const char* const known : kCodes) {
    if (std::strcmp(code, known) == 0) return true;
  }
  return false;
}

bool is_json(const char* begin, const char* end, uint64_t max_depth) {
  JsonFault fault;
  return find_invalid_utf8(begin, end) == nullptr && check_document(begin, end, max_depth, fault);
}

void check_accepted(const UpdateBody& out, const fuzz::Exact& body, const UpdateLimits& limits) {
  EXPECT(is_json(body.data(), body.end(), limits.max_depth));
  EXPECT(out.has_query_id != out.has_input && out.has_label != out.has_reward);
  EXPECT(!(out.has_input && out.has_reward));
  if (out.has_query_id) EXPECT(out.query_id < uint64_t{1} << 53);
  if (out.has_reward) EXPECT(out.reward >= 0.0 && out.reward <= 1.0);
  if (!out.has_label) return;
  const char* const begin = out.label.data();
  EXPECT(begin >= body.data() && begin + out.label.size() <= body.end() && out.label.size() <= limits.max_label_bytes);
  EXPECT(is_json(begin, begin + out.label.size(), limits.max_depth) && out.label != "null");
}

void check_refused(const UpdateBody& out) {
  const ParsedBody& refusal = out.refusal;
  EXPECT(refusal.error_code != nullptr && is_documented(refusal.error_code) && !refusal.error_cause.empty());
  const std::string& cause = refusal.error_cause;
  EXPECT(find_invalid_utf8(cause.data(), cause.data() + cause.size()) == nullptr);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t bytes) {
  fuzz::Input input(data, bytes);
  UpdateLimits limits;
  if ((input.byte() & 1) != 0) limits = {kMinDepthLimit, 8};
  const fuzz::Exact body(input.rest());
  UpdateBody out;
  if (parse_update_body(body.data(), body.size(), limits, out)) check_accepted(out, body, limits);
  else check_refused(out);
  return 0;
}
