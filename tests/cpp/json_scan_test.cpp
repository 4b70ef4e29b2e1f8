// The body parser on every truncation and many mutations of some documents, each in a heap buffer of exactly its size:
// under AddressSanitizer a single byte read beyond the end ends the test. Plus answers that are known by heart.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "predict_body.hpp"

namespace {

using namespace clipper;

int failures = 0;

void check(bool holds, const std::string& claim) {
  if (holds) return;
  ++failures;
  std::fprintf(stderr, "does not hold: %s\n", claim.c_str());
}

// A copy without a single byte to spare on either side; nothing at all for an empty text.
class ExactBuffer {
 public:
  explicit ExactBuffer(const std::string& text) : bytes_(new char[text.size()]), size_(text.size()) {
    if (size_ != 0) std::memcpy(bytes_.get(), text.data(), size_);
  }
  const char* data() const { return bytes_.get(); }
  size_t size() const { return size_; }

 private:
  std::unique_ptr<char[]> bytes_;
  size_t size_;
};

struct Case {
  const char* name;
  InputSpec spec;
  std::string body;
};

std::vector<Case> accepted_cases() {
  const InputSpec doubles{InputType::Doubles, DType::Float64, 0, {}};
  const InputSpec floats{InputType::Floats, DType::Float32, 3, {3}};
  const InputSpec integers{InputType::Integers, DType::Int32, 0, {}};
  const InputSpec strings{InputType::Strings, DType::String, 0, {}};
  const InputSpec bytes{InputType::Bytes, DType::Bytes, 0, {}};
  const InputSpec halves{InputType::Tensor, DType::Float16, 4, {2, 2}};
  const InputSpec booleans{InputType::Tensor, DType::Bool, 2, {2}};
  return {
      {"doubles", doubles, "{\"input\":[0.1,0.123456789,-17e3,12345678901234567890,1.7976931348623157e308,4.9e-324]}"},
      {"floats in a batch", floats, " {\"input_batch\" : [ [1, 2 ,3] ,\n[0.5,0.25,1e-3]], \"slo_us\":20000} "},
      {"integers", integers, "{\"version\":\"1\",\"uid\":77,\"input\":[-2147483648,2147483647,0,-0,123456789]}"},
      {"strings", strings,
       "{\"input\":\"plain \\u00e9 \xC3\xA9 \\ud83d\\ude00 \xF0\x9F\x98\x80 \\\"quoted\\\" text of more than eight\"}"},
      {"bytes", bytes, "{\"\\u0069nput\":\"AAECAwQFBgcICQ==\"}"},
      {"float16 rows", halves, "{\"input\":[[1,2.5],[65504,2.98023223876953125e-8]]}"},
      {"booleans", booleans, "{\"input\":[true,0]}"},
      {"unknown keys", doubles,
       "{\"a\":{\"b\":[1,[2,{\"c\":null}],true,\"x\\n\\u0000\"],\"\":-0.5E+10},\"input\":[1],\"a\":false}"},
  };
}

bool parse(const Case& item, const std::string& body, ParsedBody& out) {
  const ExactBuffer buffer(body);
  const bool accepted = parse_json_body(buffer.data(), buffer.size(), item.spec, BodyLimits(), out);
  check(accepted == (out.error_code == nullptr), std::string(item.name) + ": a refusal carries a code, " + body);
  check(accepted || !out.error_cause.empty(), std::string(item.name) + ": a refusal carries a cause, " + body);
  check(accepted || std::strcmp(out.error_code, "internal_error") != 0,
        std::string(item.name) + ": the reader says why, " + body);
  if (accepted)
    check(out.offsets.back() == out.data.size(), std::string(item.name) + ": the offsets end where the data does");
  return accepted;
}

void test_every_truncation_is_refused() {
  ParsedBody out;
  for (const Case& item : accepted_cases()) {
    check(parse(item, item.body, out), std::string(item.name) + " is accepted: " + out.error_cause);
    const size_t document_end = item.body.rfind('}') + 1;
    for (size_t bytes = 0; bytes < document_end; ++bytes) {
      check(!parse(item, item.body.substr(0, bytes), out), std::string(item.name) + " is refused when cut");
    }
  }
}

void test_mutations_do_not_read_beyond_the_end() {
  std::mt19937 random(7);
  const std::string interesting = "[]{},:\"\\0123456789.-+eEtfnu \t\n\x01\x7F\xC3\xA9\xED\xF4\xFF";
  ParsedBody out;
  const auto cases = accepted_cases();
  for (int round = 0; round < 20000; ++round) {
    const Case& item = cases[random() % cases.size()];
    std::string body = item.body.substr(0, random() % (item.body.size() + 1));
    for (unsigned flips = random() % 4; flips > 0 && !body.empty(); --flips)
      body[random() % body.size()] = interesting[random() % interesting.size()];
    parse(item, body, out);
    const ExactBuffer buffer(body);
    validate_json(buffer.data(), buffer.size());
  }
}

void test_scalars_alone_are_valid_documents() {
  for (const char* text : {"0", "-0", "1.5", "1e5", "12345678", "123456789", "0.12345678", "\"\"", "\"12345678\"",
                           "true", "false", "null", "[]", "{}", " [ ] "}) {
    const ExactBuffer buffer(text);
    check(validate_json(buffer.data(), buffer.size()), std::string("valid: ") + text);
  }
  for (const char* text : {"",
                           " ",
                           "-",
                           "01",
                           "1.",
                           ".5",
                           "1e",
                           "1e+",
                           "+1",
                           "\"",
                           "\"\\",
                           "\"\\u12",
                           "\"\\u123\"",
                           "tru",
                           "nul",
                           "[1,]",
                           "[,1]",
                           "{\"a\":1,}",
                           "{\"a\"}",
                           "{1:2}",
                           "[1}",
                           "{\"a\":1]",
                           "1 2",
                           "NaN",
                           "Infinity",
                           "'a'",
                           "[1//\n]",
                           "\xEF\xBB\xBF"
                           "1",
                           "\"\x01\"",
                           "\"\xC0\x80\"",
                           "\"\xED\xA0\x80\"",
                           "\"\xF4\x90\x80\x80\"",
                           "\"\xE2\x82\""}) {
    const ExactBuffer buffer(text);
    check(!validate_json(buffer.data(), buffer.size()), std::string("not valid: ") + text);
  }
  check(!validate_json("1\0", 2) && !validate_json("\0", 1), "NUL bytes are not whitespace");
}

void test_nesting_is_bounded_whatever_its_size() {
  const InputSpec doubles{InputType::Doubles, DType::Float64, 0, {}};
  const BodyLimits limits;
  ParsedBody out;
  const size_t ten_megabytes = 10u << 20;
  const std::string bodies[] = {std::string(ten_megabytes, '['), "{\"other\":" + std::string(ten_megabytes, '['),
                                "{\"input\":" + std::string(ten_megabytes, '[')};
  for (const std::string& body : bodies) {
    check(!parse_json_body(body.data(), body.size(), doubles, limits, out) &&
              std::strcmp(out.error_code, "too_deep") == 0,
          "10 MB of nesting is too_deep");
  }
  std::string objects = "{\"other\":";
  while (objects.size() < ten_megabytes) objects += "{\"k\":";
  check(!parse_json_body(objects.data(), objects.size(), doubles, limits, out) &&
            std::strcmp(out.error_code, "too_deep") == 0,
        "10 MB of objects is too_deep");
  const std::string deepest = std::string(256, '[') + std::string(256, ']');
  check(validate_json(deepest.data(), deepest.size()), "256 levels are valid");
  BodyLimits widest;
  widest.max_depth = UINT64_MAX;
  const std::string ceiling =
      "{\"input\":[1],\"other\":" + std::string(kDepthCeiling - 1, '[') + std::string(kDepthCeiling - 1, ']') + "}";
  check(parse_json_body(ceiling.data(), ceiling.size(), doubles, widest, out), "the ceiling itself is accepted");
  const std::string above =
      "{\"input\":[1],\"other\":" + std::string(kDepthCeiling, '[') + std::string(kDepthCeiling, ']') + "}";
  check(!parse_json_body(above.data(), above.size(), doubles, widest, out),
        "no configured limit goes beyond the ceiling");
}

void test_numbers_of_any_length_convert_exactly() {
  const InputSpec doubles{InputType::Doubles, DType::Float64, 0, {}};
  ParsedBody out;
  const std::string zeros(1000000, '0');
  const std::pair<std::string, double> known[] = {{"0." + zeros + "1e1000001", 1.0},
                                                  {"1" + zeros + "e-1000000", 1.0},
                                                  {"1e-99999999999999999999", 0.0},
                                                  {"0e99999999999999999999", 0.0},
                                                  {"9007199254740993." + zeros + "1", 9007199254740994.0},
                                                  {"9007199254740993"
                                                   "." +
                                                       zeros,
                                                   9007199254740992.0},
                                                  {"4.9e-324", 4.9e-324},
                                                  {"1e-400", 0.0}};
  for (const auto& [text, value] : known) {
    const ExactBuffer buffer("{\"input\":[" + text + "]}");
    check(parse_json_body(buffer.data(), buffer.size(), doubles, BodyLimits(), out), "accepted: " + text.substr(0, 40));
    double parsed = -1;
    if (out.data.size() == sizeof parsed) std::memcpy(&parsed, out.data.data(), sizeof parsed);
    check(parsed == value, "exact: " + text.substr(0, 40));
  }
  const std::string huge = "{\"input\":[1" + zeros + "]}";
  check(!parse_json_body(huge.data(), huge.size(), doubles, BodyLimits(), out) &&
            std::strcmp(out.error_code, "out_of_range") == 0,
        "10^1000000 is out of range");
  check(out.error_cause.size() < 200, "a cause stays short");
}

void test_a_reused_body_carries_nothing_over_and_gives_memory_back() {
  const InputSpec doubles{InputType::Doubles, DType::Float64, 0, {}};
  const BodyLimits limits;
  ParsedBody out;
  std::string large = "{\"version\":\"1\",\"uid\":2,\"slo_us\":3,\"input_batch\":[[0";
  for (int i = 0; i < 300000; ++i) large += ",1";
  large += "]]}";
  check(parse_json_body(large.data(), large.size(), doubles, limits, out), "the large body is accepted");
  check(out.data.size() == 300001 * sizeof(double), "all of it is there");
  const std::string small = "{\"input\":[7]}";
  check(parse_json_body(small.data(), small.size(), doubles, limits, out), "the small body is accepted");
  check(out.data.size() == sizeof(double) && out.offsets.size() == 2 && out.offsets[1] == sizeof(double),
        "only its own input is there");
  check(!out.is_batch && !out.has_version && !out.has_context && out.slo_us == 0, "no option is carried over");
  check(out.data.capacity() <= (1u << 20), "what one huge body took is given back");
}

void test_a_declared_shape_makes_no_small_body_take_much_memory() {
  const InputSpec huge{InputType::Tensor, DType::Float64, uint64_t{1} << 40, {uint64_t{1} << 40}};
  ParsedBody out;
  const std::string body = "{\"input\":[1,2,3]}";
  check(!parse_json_body(body.data(), body.size(), huge, BodyLimits(), out) &&
            std::strcmp(out.error_code, "wrong_length") == 0,
        "wrong_length");
  check(out.data.capacity() < 4096, "memory follows the body, not the shape");
  check(!parse_binary_body(body.data(), body.size(), huge, BodyLimits(), 4096, out) &&
            std::strcmp(out.error_code, "wrong_length") == 0,
        "no overflow in the length");
}

}  // namespace

int main() {
  test_every_truncation_is_refused();
  test_mutations_do_not_read_beyond_the_end();
  test_scalars_alone_are_valid_documents();
  test_nesting_is_bounded_whatever_its_size();
  test_numbers_of_any_length_convert_exactly();
  test_a_reused_body_carries_nothing_over_and_gives_memory_back();
  test_a_declared_shape_makes_no_small_body_take_much_memory();
  if (failures != 0) std::fprintf(stderr, "%d failures\n", failures);
  return failures == 0 ? 0 : 1;
}
