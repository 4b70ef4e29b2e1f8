// The plan kind cascade: stages, cheap ones first; the next one is asked only if the output of the last one is not sure
// enough (Wang et al., *IDK Cascades*, UAI 2018; Crankshaw et al., *InferLine*, SoCC 2020 §2 serve them so).
#pragma once
#include <charconv>
#include <cstdint>
#include <cstring>

#include "gather_rule.hpp"
#include "json_scan.hpp"
#include "query.hpp"

namespace clipper {

constexpr double kUnknownConfidence = -1.0;

// A confidence is a share of certainty: what lies outside of 0..1 (a logit, say) is none.
inline double as_confidence(double value) noexcept { return value >= 0.0 && value <= 1.0 ? value : kUnknownConfidence; }

// The number at p as a confidence, with `p` moved behind it; unknown if there is none.
inline double confidence_at(const char*& p, const char* end) noexcept {
  double value = 0.0;
  const auto [rest, error] = std::from_chars(p, end, value);
  if (error != std::errc() || rest == p) return kUnknownConfidence;
  p = rest;
  return as_confidence(value);
}

// The largest of a flat array of numbers; p stands behind its bracket.
inline double largest_confidence(const char* p, const char* end) noexcept {
  double largest = kUnknownConfidence;
  for (;;) {
    p = skip_whitespace(p, end);
    const double value = confidence_at(p, end);
    if (value == kUnknownConfidence) return kUnknownConfidence;  // also of an empty array, and of one that holds others
    if (value > largest) largest = value;
    p = skip_whitespace(p, end);
    if (p < end && *p == ']') return largest;
    if (p == end || *p != ',') return kUnknownConfidence;
    ++p;
  }
}

// The number under "confidence" of an object, the last one if there are several; p stands behind its brace.
inline double named_confidence(const char* p, const char* end) noexcept {
  static constexpr char kName[] = "\"confidence\"";
  static constexpr size_t kNameBytes = sizeof kName - 1;
  double found = kUnknownConfidence;
  JsonFault fault;
  p = skip_whitespace(p, end);
  while (p < end && *p == '"') {
    const bool is_it = static_cast<size_t>(end - p) > kNameBytes && std::memcmp(p, kName, kNameBytes) == 0;
    p = skip_key(p, end, fault);
    if (p == nullptr) return kUnknownConfidence;
    const char* value = p;
    p = skip_value(p, end, kDepthCeiling, fault);
    if (p == nullptr) return kUnknownConfidence;
    if (is_it) found = confidence_at(value, p);
    p = skip_whitespace(p, end);
    if (p == end || *p != ',') return found;
    p = skip_whitespace(p + 1, end);
  }
  return found;
}

// How sure a model says that it is of its output: the number under "confidence" of an object, or the largest of a flat
// array of probabilities. Other outputs say nothing of it. The text was validated as JSON when it came in.
inline double output_confidence(const Output* output) noexcept {
  const char* end = output->text + output->bytes;
  const char* p = skip_whitespace(output->text, end);
  if (p == end) return kUnknownConfidence;
  if (*p == '{') return named_confidence(p + 1, end);
  return *p == '[' ? largest_confidence(p + 1, end) : kUnknownConfidence;
}

// Whether a stage whose member is in leaves the query to the next one.
inline bool passes_on(const GatherRule& rule, Query* query, uint16_t stage) noexcept {
  const Member& member = query->members()[stage];
  if (stage >= rule.thresholds.size()) return false;
  return member.state != MemberState::Answered || output_confidence(member.output) < rule.thresholds[stage];
}

// The last stage that has an output; null if none has.
inline const Member* answering_stage(Query* query) noexcept {
  for (uint16_t i = query->member_count; i > 0; --i) {
    if (query->members()[i - 1].state == MemberState::Answered) return &query->members()[i - 1];
  }
  return nullptr;
}

}  // namespace clipper
