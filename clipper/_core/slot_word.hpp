// The two 64-bit words of the queue: a slot's word, which is the one authority on the slot, and a hint that points at it.
//
//   slot word:  generation 40 | claimer's incarnation 14 | claimer 8 | state 2
//   hint:       generation 40 | origin worker 6 | slot index 18
//
// The generation rises by one whenever the slot is released, so a word or hint of an earlier life never compares equal
// to one of a later life: at ten million reuses of one slot a second, 40 bits last 30 hours, and a hint would have to
// stay unread in its ring for exactly that long.
#pragma once
#include <cstdint>

namespace clipper {

enum class SlotState : uint8_t {
  Free = 0,    // the owner's: on its free list, or acquired and being filled
  Queued = 1,  // anybody may claim it
  Taken = 2,   // the claimer's alone, until it completes or requeues it or dies
  Done = 3,    // the owner's again; the result is in the slot
};

// Who claims: a worker and which life of it. Id 0 is nobody; worker w is id w + 1.
struct Claimer {
  uint32_t id = 0;
  uint32_t incarnation = 0;  // counted by whoever restarts workers; modulo 2^14

  static constexpr Claimer of_worker(uint32_t worker, uint32_t incarnation) noexcept {
    return Claimer{worker + 1, incarnation & 0x3fffu};
  }
  constexpr bool operator==(const Claimer& other) const noexcept {
    return id == other.id && incarnation == other.incarnation;
  }
};

using SlotWord = uint64_t;

inline constexpr unsigned kStateBits = 2, kClaimerBits = 8, kIncarnationBits = 14, kGenerationBits = 40;
inline constexpr unsigned kClaimerShift = kStateBits;
inline constexpr unsigned kIncarnationShift = kClaimerShift + kClaimerBits;
inline constexpr unsigned kGenerationShift = kIncarnationShift + kIncarnationBits;
static_assert(kGenerationShift + kGenerationBits == 64);

constexpr SlotWord make_word(uint64_t generation, Claimer claimer, SlotState state) noexcept {
  return generation << kGenerationShift | static_cast<uint64_t>(claimer.incarnation) << kIncarnationShift |
         static_cast<uint64_t>(claimer.id) << kClaimerShift | static_cast<uint64_t>(state);
}
constexpr uint64_t generation_of(SlotWord word) noexcept { return word >> kGenerationShift; }
constexpr SlotState state_of(SlotWord word) noexcept { return static_cast<SlotState>(word & 3u); }
constexpr Claimer claimer_of(SlotWord word) noexcept {
  return Claimer{static_cast<uint32_t>(word >> kClaimerShift & 0xffu),
                 static_cast<uint32_t>(word >> kIncarnationShift & 0x3fffu)};
}
// The free word of the slot's next life; the generation wraps by itself, being the topmost field.
constexpr SlotWord next_life(SlotWord word) noexcept {
  return ((word >> kGenerationShift) + 1) << kGenerationShift;
}

using Hint = uint64_t;
using SlotId = uint32_t;  // origin worker << 18 | slot index; with one worker simply the index

inline constexpr unsigned kSlotIndexBits = 18, kOriginBits = 6;
inline constexpr unsigned kHintGenerationShift = kSlotIndexBits + kOriginBits;
inline constexpr uint32_t kMaxSlots = 1u << kSlotIndexBits;
inline constexpr uint32_t kMaxWorkers = 1u << kOriginBits;
static_assert(kHintGenerationShift + kGenerationBits == 64);

constexpr SlotId make_slot_id(uint32_t origin, uint32_t index) noexcept { return origin << kSlotIndexBits | index; }
constexpr uint32_t origin_of(SlotId slot) noexcept { return slot >> kSlotIndexBits; }
constexpr uint32_t index_of(SlotId slot) noexcept { return slot & (kMaxSlots - 1); }

constexpr Hint make_hint(uint64_t generation, SlotId slot) noexcept { return generation << kHintGenerationShift | slot; }
constexpr SlotId slot_of(Hint hint) noexcept { return static_cast<SlotId>(hint & ((1u << kHintGenerationShift) - 1)); }
constexpr uint64_t hint_generation(Hint hint) noexcept { return hint >> kHintGenerationShift; }

}  // namespace clipper
