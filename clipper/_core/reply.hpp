// Hop 9 to 10: the JSON of one prediction. Keys and their order are the original system's, then our own.
#pragma once
#include <charconv>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "appended_text.hpp"
#include "gather.hpp"
#include "json_write.hpp"

namespace clipper {

// A reason for a miss, as told to the application. Texts of NoModel and Deadline are the original system's, word for word.
struct MissText {
  int http_status;          // used where the application chose errors instead of its default output
  std::string_view code;
  std::string_view explanation;
};

inline MissText miss_text(MemberState state, bool is_too_late = false) noexcept {
  switch (state) {
    case MemberState::Refused:
      if (is_too_late) return {503, "overloaded", "The query was predicted to finish too late: too many wait for the model"};
      return {503, "overloaded", "The batch queue of the model is full"};
    case MemberState::NoReplica:
      return {503, "no_replica", "No connected models found for query"};
    case MemberState::Failed:
      return {502, "model_error", "The model raised an error"};
    case MemberState::Unsure:
      return {502, "low_confidence", "The output has less confidence than the application asks for"};
    default:
      return {504, "deadline_passed", "Failed to retrieve a prediction response within the specified latency SLO"};
  }
}

inline void append_integer(std::string& text, uint64_t value) {
  char digits[24];
  text.append(digits, std::to_chars(digits, digits + sizeof digits, value).ptr);
}

// Confidence with at most four decimals: it is a ratio of small integers.
inline void append_ratio(std::string& text, double value) {
  char digits[32];
  auto end = std::to_chars(digits, digits + sizeof digits, value, std::chars_format::fixed, 4).ptr;
  while (end[-1] == '0' && end[-2] != '.') --end;
  text.append(digits, end);
}

// Why an output is not given: what miss_text says, with both figures.
inline std::string doubt_text(double confidence, double min_confidence) {
  std::string text(miss_text(MemberState::Unsure).explanation);
  text.append(": ");
  append_ratio(text, confidence);
  text.append(", expected at least ");
  append_ratio(text, min_confidence);
  return text;
}

inline void append_prediction(std::string& text, uint64_t query_id, const Output* output, std::string_view model_label,
                              double confidence) {
  constexpr size_t kFixedBytes = 128;  // the keys and the id: 96 at most
  AppendedText prediction(text, kFixedBytes + output->bytes + model_label.size());
  prediction.put("{\"query_id\":");
  prediction.put_integer(query_id);
  prediction.put(",\"output\":");
  prediction.put({output->text, output->bytes});
  prediction.put(",\"default\":false,\"model\":\"");
  prediction.put(model_label);
  prediction.put(confidence == 1.0 ? "\",\"confidence\":1.0}" : "\",\"confidence\":");
  prediction.end();
  if (confidence != 1.0) {
    append_ratio(text, confidence);
    text.push_back('}');
  }
}

// Behind append_prediction: the members of the ensemble whose outputs are not in it. `labels` are escaped, and at least
// one.
inline void append_missing(std::string& text, const std::vector<std::string_view>& labels) {
  text.back() = ',';  // the prediction goes on
  text.append("\"missing\":[");
  for (const std::string_view label : labels) {
    text.push_back('"');
    text.append(label);
    text.append("\",");
  }
  text.back() = ']';
  text.push_back('}');
}

// `cause`, if any, is a JSON string with the model's own words.
inline void append_default(std::string& text, uint64_t query_id, std::string_view default_output, std::string_view explanation,
                           const Output* cause) {
  text.append("{\"query_id\":");
  append_integer(text, query_id);
  text.append(",\"output\":");
  text.append(default_output);
  text.append(",\"default\":true,\"default_explanation\":\"");
  text.append(explanation);
  if (cause != nullptr && cause->bytes > 2) {
    text.append(": ");
    text.append(cause->text + 1, cause->bytes - 2);   // without its quotes: it continues the string
  }
  text.append("\"}");
}

// In a batch the item that failed says which query it was; a single error has the form of every other error.
inline void append_error(std::string& text, uint64_t query_id, bool in_batch, std::string_view code, std::string_view cause,
                         const Output* detail) {
  if (in_batch) {
    text.append("{\"query_id\":");
    append_integer(text, query_id);
    text.append(",\"error\":\"");
  } else {
    text.append("{\"error\":\"");
  }
  text.append(code);
  text.append("\",\"cause\":\"");
  text.append(cause);
  if (detail != nullptr && detail->bytes > 2) {
    text.append(": ");
    text.append(detail->text + 1, detail->bytes - 2);
  }
  text.append("\"}");
}

}  // namespace clipper
