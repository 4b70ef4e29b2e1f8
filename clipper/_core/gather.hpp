// What the members of an ensemble's query amount to: their outputs combined into one, and whether those that are not
// there yet could change it. Pure functions over the members of one query.
#pragma once
#include <charconv>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "counters.hpp"
#include "json_write.hpp"
#include "majority.hpp"
#include "query.hpp"

namespace clipper {

enum class CombineRule : uint8_t { Single = 0, Majority = 1, Mean = 2 };

struct Combined {
  Output* output = nullptr;        // an owned reference, or null when nothing could be combined
  double confidence = 0.0;         // share of all members, the missing ones included, that stand behind the output
  const char* failure = nullptr;   // why there is no output although members answered; stands in a JSON string as it is
};

// Takes note of a member's output. Each must have been noted once before is_decided() and combine() are asked.
inline void count_output(CombineRule rule, Query* query, Member* member) noexcept {
  if (rule == CombineRule::Majority) count_vote(query, member);
}

// Whether there is an output, and nothing that the pending members may still do changes it: give any output, fail, or
// stay away. A mean is never decided before its last member is in, since outputs have no bounds.
inline bool is_decided(CombineRule rule, Query* query) noexcept {
  return rule == CombineRule::Majority && is_majority_decided(query);
}

// Of a query that has an output to be answered with. Who was not waited for is Pending still.
inline AnswerKind answer_kind(Query* query) noexcept {
  AnswerKind kind = AnswerKind::Complete;
  for (uint16_t i = 0; i < query->member_count; ++i) {
    const MemberState state = query->members()[i].state;
    if (state == MemberState::Pending) return AnswerKind::Decided;
    if (state != MemberState::Answered) kind = AnswerKind::Partial;
  }
  return kind;
}

// Of majority.hpp: the votes were counted as they came in.
inline Combined combine_majority(Query* query) noexcept {
  Combined combined;
  const Member* leader = majority_leader(query);
  if (leader == nullptr) return combined;
  combined.output = leader->output->retain();
  combined.confidence = static_cast<double>(leader->votes) / query->member_count;
  return combined;
}

// Reads a JSON number, or a flat array of numbers, into `values`. The text was validated as JSON when it came in.
inline bool read_numbers(const Output* output, std::vector<double>& values, bool& is_array) {
  const char* p = output->text;
  const char* end = p + output->bytes;
  auto skip_space = [&] { while (p < end && (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r')) ++p; };
  auto number = [&] {
    double value = 0;
    auto [rest, error] = std::from_chars(p, end, value);
    if (error != std::errc() || rest == p) return false;
    p = rest;
    values.push_back(value);
    return true;
  };
  values.clear();
  skip_space();
  is_array = p < end && *p == '[';
  if (!is_array) return number();
  ++p;
  skip_space();
  if (p < end && *p == ']') return true;
  while (p < end) {
    skip_space();
    if (!number()) return false;
    skip_space();
    if (p < end && *p == ']') return true;
    if (p >= end || *p != ',') return false;
    ++p;
  }
  return false;
}

// The arithmetic mean of numbers, or the element-wise mean of flat arrays of equal length.
inline Combined combine_mean(Query* query) {
  Combined combined;
  std::vector<double> values;
  std::vector<long double> sum;   // wider: the sum of doubles must not overflow, their mean cannot
  bool is_array = false, first = true;
  uint16_t answered = 0;
  for (uint16_t i = 0; i < query->member_count; ++i) {
    const Member& member = query->members()[i];
    if (member.state != MemberState::Answered) continue;
    bool this_is_array = false;
    if (!read_numbers(member.output, values, this_is_array)) {
      combined.failure = "the combine rule mean needs outputs that are numbers or flat arrays of numbers";
      return combined;
    }
    if (first) { sum.assign(values.begin(), values.end()); is_array = this_is_array; first = false; }
    else if (this_is_array != is_array || values.size() != sum.size()) {
      combined.failure = "the combine rule mean needs outputs of one shape from every model";
      return combined;
    } else {
      for (size_t k = 0; k < sum.size(); ++k) sum[k] += values[k];
    }
    ++answered;
  }
  if (answered == 0) return combined;
  std::string text;
  char digits[kNumberBytes];
  if (is_array) text.push_back('[');
  for (size_t k = 0; k < sum.size(); ++k) {
    if (k != 0) text.push_back(',');
    text.append(digits, write_number(digits, static_cast<double>(sum[k] / answered)));
  }
  if (is_array) text.push_back(']');
  combined.output = Output::create(text.data(), static_cast<uint32_t>(text.size()));
  combined.confidence = static_cast<double>(answered) / query->member_count;
  return combined;
}

inline Combined combine(CombineRule rule, Query* query) {
  if (rule == CombineRule::Mean) return combine_mean(query);
  if (rule == CombineRule::Majority) return combine_majority(query);
  Combined combined;
  Member& only = query->members()[0];
  if (only.state == MemberState::Answered) {
    combined.output = only.output->retain();
    combined.confidence = 1.0;
  }
  return combined;
}

}  // namespace clipper
