// The combine rule majority: the output that most members gave, compared as bytes of JSON; a tie goes to the output
// whose first giver was linked first (Crankshaw 2017 §5.2 takes the most common prediction and reports agreement as
// confidence).
//
// Votes are counted as outputs come in, each in one pass over the members and without an allocation: of those who gave
// the same output the first in link order holds the count, the others hold 0. So the holders are the distinct outputs,
// in the order that breaks ties.
#pragma once
#include <cstdint>
#include <cstring>

#include "debug_check.hpp"
#include "query.hpp"

namespace clipper {

inline bool is_same_output(const Output* a, const Output* b) noexcept {
  return a == b || (a->bytes == b->bytes && std::memcmp(a->text, b->text, a->bytes) == 0);
}

// Counts the output of a member that has just answered; once for each.
inline void count_vote(Query* query, Member* voter) noexcept {
  CLIPPER_INVARIANT(voter->state == MemberState::Answered && voter->votes == 0);
  Member* members = query->members();
  for (uint16_t i = 0; i < query->member_count; ++i) {
    Member& holder = members[i];
    if (holder.votes == 0 || !is_same_output(holder.output, voter->output)) continue;
    if (&holder < voter) {
      ++holder.votes;
    } else {
      voter->votes = static_cast<uint16_t>(holder.votes + 1);
      holder.votes = 0;
    }
    return;
  }
  voter->votes = 1;
}

// The holder of the most votes, of several the first; null if nobody has voted.
inline Member* majority_leader(Query* query) noexcept {
  Member* members = query->members();
  Member* leader = nullptr;
  for (uint16_t i = 0; i < query->member_count; ++i) {
    if (members[i].votes > (leader != nullptr ? leader->votes : 0)) leader = &members[i];
  }
  return leader;
}

// Whether the leader stays the leader whatever the pending members give, fail at, or leave out.
//
// What is worst for it is that all of them give one same output: that raises the rival to the most votes it can have,
// and makes the first pending member its first giver if that was linked earlier. Whatever else they do gives every
// rival less. An output that nobody has given yet is a rival with no votes so far.
inline bool is_majority_decided(Query* query) noexcept {
  Member* members = query->members();
  const Member* leader = majority_leader(query);
  if (leader == nullptr) return false;
  const Member* first_pending = nullptr;
  uint32_t pending = 0;
  for (uint16_t i = 0; i < query->member_count; ++i) {
    if (members[i].state != MemberState::Pending) continue;
    if (first_pending == nullptr) first_pending = &members[i];
    ++pending;
  }
  if (pending == 0) return true;
  if (pending > leader->votes || (pending == leader->votes && first_pending < leader)) return false;  // a new output
  for (uint16_t i = 0; i < query->member_count; ++i) {
    const Member& rival = members[i];
    if (rival.votes == 0 || &rival == leader) continue;
    const uint32_t most = rival.votes + pending;
    if (most > leader->votes) return false;
    if (most == leader->votes && (&rival < leader || first_pending < leader)) return false;
  }
  return true;
}

}  // namespace clipper
