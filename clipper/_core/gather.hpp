// What the members of a query amount to: their outputs combined into one, and whether those that are not there yet could
// change it. Pure functions over the members of one query.
#pragma once
#include <cstdint>

#include "cascade.hpp"
#include "counters.hpp"
#include "gather_rule.hpp"
#include "mean.hpp"
#include "query.hpp"
#include "votes.hpp"

namespace clipper {

struct Combined {
  Output* output = nullptr;        // an owned reference, or null when nothing could be combined
  double confidence = 0.0;         // share of all members, the missing ones included, that stand behind the output
  const char* failure = nullptr;   // why there is no output although members answered; stands in a JSON string as it is
  uint16_t member = 0;             // whose output it is, where it is that of one: Single and Cascade
};

// Takes note of a member's output. Each must have been noted once before is_decided() and combine() are asked.
inline void count_output(const GatherRule& rule, Query* query, Member* member) noexcept {
  if (rule.combine == CombineRule::Majority || rule.combine == CombineRule::Weighted) count_vote(rule, query, member);
}

// Whether there is an answer, and nothing that the pending members may still do changes it: give any output, fail, or
// stay away. A mean is never decided before its last member is in, since outputs have no bounds.
inline bool is_decided(const GatherRule& rule, Query* query) noexcept {
  return (rule.combine == CombineRule::Majority || rule.combine == CombineRule::Weighted) && are_votes_decided(rule, query);
}

// Of a query that has an output to be answered with. Who was not waited for is Pending still.
inline AnswerKind answer_kind(const GatherRule& rule, Query* query) noexcept {
  AnswerKind kind = AnswerKind::Complete;
  if (rule.combine == CombineRule::Cascade) {
    // Earlier stages were meant to be passed over; what counts is whether the one that answered was to pass on, too.
    const auto stage = static_cast<uint16_t>(answering_stage(query) - query->members());
    return passes_on(rule, query, stage) ? AnswerKind::Partial : kind;
  }
  for (uint16_t i = 0; i < query->member_count; ++i) {
    const MemberState state = query->members()[i].state;
    if (state == MemberState::Pending) return AnswerKind::Decided;
    if (state != MemberState::Answered) kind = AnswerKind::Partial;
  }
  return kind;
}

// The votes were counted as they came in.
inline Combined combine_votes(const GatherRule& rule, Query* query) noexcept {
  Combined combined;
  const Member* leader = leader_of(query);
  if (leader == nullptr) return combined;
  combined.output = leader->output->retain();
  combined.confidence = static_cast<double>(leader->votes) / static_cast<double>(rule.share_of_all(query->member_count));
  return combined;
}

inline Combined combine_mean(const GatherRule& rule, Query* query) {
  Combined combined;
  MeanOfOutputs mean;
  for (uint16_t i = 0; i < query->member_count; ++i) {
    const Member& member = query->members()[i];
    if (member.state != MemberState::Answered) continue;
    combined.failure = mean.add(member.output, rule.share(i));
    if (combined.failure != nullptr) return combined;
  }
  if (mean.count() == 0) return combined;
  combined.output = mean.output();
  combined.confidence = static_cast<double>(mean.shares()) / static_cast<double>(rule.share_of_all(query->member_count));
  return combined;
}

inline Combined combine_stages(Query* query) noexcept {
  Combined combined;
  const Member* stage = answering_stage(query);
  if (stage == nullptr) return combined;
  const double confidence = output_confidence(stage->output);
  combined.output = stage->output->retain();
  combined.confidence = confidence == kUnknownConfidence ? 1.0 : confidence;
  combined.member = static_cast<uint16_t>(stage - query->members());
  return combined;
}

inline Combined combine(const GatherRule& rule, Query* query) {
  switch (rule.combine) {
    case CombineRule::Majority:
    case CombineRule::Weighted: return combine_votes(rule, query);
    case CombineRule::Mean: return combine_mean(rule, query);
    case CombineRule::Cascade: return combine_stages(query);
    case CombineRule::Single: break;
  }
  Combined combined;
  Member& only = query->members()[0];
  if (only.state == MemberState::Answered) {
    combined.output = only.output->retain();
    combined.confidence = 1.0;
  }
  return combined;
}

}  // namespace clipper
