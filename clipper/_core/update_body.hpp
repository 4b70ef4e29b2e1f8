// The body of POST /<app>/update: what kind of feedback it is, and where its values stand.
//
// Values that may be any JSON (the label) or that the application's input type decides (the input) are stepped over
// here, and read by whoever knows them. The documented answers, beside those of predict_body.hpp:
//
//   error_code          given for
//   wrong_type          the body is no object; query_id is no integer literal, reward no number, label is null
//   out_of_range        query_id above 2^53-1; reward outside 0..1
//   too_long            a label of more than max_label_bytes bytes of JSON
//   no_batch_form       "input_batch": feedback is about one query or one input
//   missing_query       neither "query_id" nor "input"
//   ambiguous_query     both
//   missing_feedback    neither "label" nor "reward"
//   ambiguous_feedback  both
//   label_required      "reward" with "input": it would say nothing about the other models
//
// A body with several faults gets one answer, in the order of predict_body.hpp: encoding, grammar, then the rest in
// document order, and what is missing last.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "body_cursor.hpp"
#include "element.hpp"
#include "predict_body.hpp"

namespace clipper {

struct UpdateLimits {
  uint64_t max_depth = kDefaultMaxDepth;
  uint64_t max_label_bytes = uint64_t{64} << 10;  // it is kept, sent and stored for as long as somebody learns from it
};

struct UpdateBody {
  bool has_query_id = false, has_input = false, has_label = false, has_reward = false;
  uint64_t query_id = 0;
  double reward = 0.0;
  std::string_view label;   // its JSON, within the body
  ParsedBody refusal;       // error_code and error_cause alone
};

class UpdateReader : private BodyCursor {
 public:
  UpdateReader(const char* begin, const char* end, const UpdateLimits& limits, UpdateBody& out) noexcept
      : BodyCursor(begin, end, out.refusal), limits_(limits), update_(out) {}

  bool read_body() {
    skip_space();
    if (!at('{')) return refuse("wrong_type", p_, "a JSON object with \"query_id\" or \"input\", and \"label\" or \"reward\"");
    ++p_;
    skip_space();
    if (!at('}')) {
      for (;;) {
        if (!read_member()) return false;
        skip_space();
        if (!at(',')) break;
        ++p_;
        skip_space();
      }
      if (!at('}')) return false;
    }
    ++p_;
    skip_space();
    return p_ == end_ && check_whole();
  }

 private:
  bool check_whole() {
    const UpdateBody& body = update_;
    if (!body.has_query_id && !body.has_input)
      return refuse("missing_query", p_, "\"query_id\" or \"input\" among the keys of the body");
    if (!body.has_label && !body.has_reward)
      return refuse("missing_feedback", p_, "\"label\" or \"reward\" among the keys of the body");
    if (body.has_input && body.has_reward)
      return refuse("label_required", p_, "\"label\" beside \"input\": a reward is about the answer to one \"query_id\"");
    return true;
  }

  bool read_member() {
    const char* const where = p_;
    std::string_view name;
    if (!read_key_name(name)) return false;
    if (name == "query_id") return first(update_.has_query_id, where) && apart(where) && read_query_id();
    if (name == "input") return first(update_.has_input, where) && apart(where) && skip();
    if (name == "label") return first(update_.has_label, where) && apart(where) && read_label();
    if (name == "reward") return first(update_.has_reward, where) && apart(where) && read_reward();
    if (name == "input_batch")
      return refuse_found("no_batch_form", where, "\"input_batch\"", "one \"input\", or one \"query_id\"");
    return skip();
  }

  bool first(bool& seen, const char* where) {
    if (seen)
      return refuse_found("duplicate_key", where, "a key for the second time",
                          "each of the keys that are read at most once");
    return seen = true;
  }

  bool apart(const char* where) {
    if (update_.has_query_id && update_.has_input)
      return refuse_found("ambiguous_query", where, "both \"query_id\" and \"input\"", "one of them");
    if (update_.has_label && update_.has_reward)
      return refuse_found("ambiguous_feedback", where, "both \"label\" and \"reward\"", "one of them");
    return true;
  }

  bool skip() noexcept {
    const char* const next = skip_value(p_, end_, limits_.max_depth - 1, fault_);
    if (next == nullptr) return false;
    p_ = next;
    return true;
  }

  bool read_query_id() {
    constexpr uint64_t kMaxQueryId = (uint64_t{1} << 53) - 1;  // ids are below, and JSON integers not portable beyond
    const char* const where = p_;
    const ElementStatus status = read_element(p_, end_, update_.query_id);
    if (status == ElementStatus::Ok && update_.query_id <= kMaxQueryId) return true;
    if (status == ElementStatus::Malformed) return false;
    return refuse(status == ElementStatus::WrongType ? "wrong_type" : "out_of_range", where,
                  "\"query_id\" as an integer literal from 0 to 2^53-1, as an answer had it");
  }

  bool read_reward() {
    const char* const where = p_;
    const ElementStatus status = read_element(p_, end_, update_.reward);
    if (status == ElementStatus::Ok && update_.reward >= 0.0 && update_.reward <= 1.0) return true;
    if (status == ElementStatus::Malformed) return false;
    return refuse(status == ElementStatus::WrongType ? "wrong_type" : "out_of_range", where,
                  "\"reward\" as a number from 0 (worst) to 1 (best)");
  }

  bool read_label() {
    const char* const where = p_;
    if (at('n')) return refuse("wrong_type", where, "\"label\" as a number, a string, a boolean, an array or an object");
    if (!skip()) return false;
    update_.label = std::string_view(where, static_cast<size_t>(p_ - where));
    return update_.label.size() <= limits_.max_label_bytes ||
           refuse_length(where, update_.label.size(), limits_.max_label_bytes);
  }

  const UpdateLimits& limits_;
  UpdateBody& update_;
};

// Fills `out`; false => out.refusal says why.
inline bool parse_update_body(const char* p, size_t n, const UpdateLimits& limits, UpdateBody& out) noexcept {
  try {
    const char* const end = p + n;
    // The reader steps over strings, whose encoding nobody else would look at.
    if (UpdateReader(p, end, limits, out).read_body() && find_invalid_utf8(p, end) == nullptr) return true;
    rank_faults(p, end, limits.max_depth, out.refusal);
  } catch (const std::bad_alloc&) {
    return refuse_for_memory(out.refusal);
  }
  return false;
}

}  // namespace clipper
