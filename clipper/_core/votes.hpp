// The combine rules that vote: the output with the most votes, compared as bytes of JSON; a tie goes to the output whose
// first giver was linked first (Crankshaw 2017 §5.2 takes the most common prediction and reports agreement as
// confidence). In a majority each vote counts 1, in a weighted vote its member's share.
//
// Votes are counted as outputs come in, each in one pass over the members and without an allocation: of those who gave
// the same output the first in link order holds the count. So the holders are the distinct outputs, in the order that
// breaks ties.
#pragma once
#include <cstdint>
#include <cstring>

#include "debug_check.hpp"
#include "gather_rule.hpp"
#include "query.hpp"

namespace clipper {

inline bool is_same_output(const Output* a, const Output* b) noexcept {
  return a == b || (a->bytes == b->bytes && std::memcmp(a->text, b->text, a->bytes) == 0);
}

// Counts the output of a member that has just answered; once for each.
inline void count_vote(const GatherRule& rule, Query* query, Member* voter) noexcept {
  CLIPPER_INVARIANT(voter->state == MemberState::Answered && !voter->holds_votes);
  Member* members = query->members();
  voter->votes = rule.share(static_cast<uint16_t>(voter - members));
  for (uint16_t i = 0; i < query->member_count; ++i) {
    Member& holder = members[i];
    if (!holder.holds_votes || !is_same_output(holder.output, voter->output)) continue;
    if (&holder < voter) {
      holder.votes += voter->votes;
      voter->votes = 0;
    } else {
      voter->votes += holder.votes;
      voter->holds_votes = true;
      holder.votes = 0;
      holder.holds_votes = false;
    }
    return;
  }
  voter->holds_votes = true;
}

// The holder of the most votes, of several the first; null if nobody has voted.
inline Member* leader_of(Query* query) noexcept {
  Member* members = query->members();
  Member* leader = nullptr;
  for (uint16_t i = 0; i < query->member_count; ++i) {
    if (members[i].holds_votes && (leader == nullptr || members[i].votes > leader->votes)) leader = &members[i];
  }
  return leader;
}

// Whether the leader stays the leader, and whether it has the confidence that is asked for or not, whatever the pending
// members give, fail at, or leave out.
//
// What is worst for it is that all of them give one same output: that raises the rival to the most votes it can have,
// and makes the first pending member its first giver if that was linked earlier. Whatever else they do gives every
// rival less. An output that nobody has given yet is a rival with no votes so far.
//
// As long as the leader lacks confidence the pending members may all leave out, so only the default output can be
// certain: when even all of them together could give no output enough.
inline bool are_votes_decided(const GatherRule& rule, Query* query) noexcept {
  Member* members = query->members();
  const Member* leader = leader_of(query);
  if (leader == nullptr) return false;
  const Member* first_pending = nullptr;
  uint64_t pending = 0;
  for (uint16_t i = 0; i < query->member_count; ++i) {
    if (members[i].state != MemberState::Pending) continue;
    if (first_pending == nullptr) first_pending = &members[i];
    pending += rule.share(i);
  }
  if (first_pending == nullptr) return true;
  if (!rule.is_enough(leader->votes, query->member_count)) {
    return !rule.is_enough(leader->votes + pending, query->member_count);
  }
  if (pending > leader->votes || (pending == leader->votes && first_pending < leader)) return false;  // a new output
  for (uint16_t i = 0; i < query->member_count; ++i) {
    const Member& rival = members[i];
    if (!rival.holds_votes || &rival == leader) continue;
    const uint64_t most = rival.votes + pending;
    if (most > leader->votes) return false;
    if (most == leader->votes && (&rival < leader || first_pending < leader)) return false;
  }
  return true;
}

}  // namespace clipper
