// Slots: the predict tasks of one worker (their input bytes, deadlines, result), in memory that the caller provides.
//
// One worker owns the pool (acquire, publish, drain, release, recover: one thread); any number of workers claim,
// complete and requeue. No pointers are stored, so the memory may be mapped anywhere in each process. The slot word
// (slot_word.hpp) is the one authority on a slot; everything else, hints and bitmap bits included, is a rumour about
// it that may be late, lost with a dead process or told twice.
//
//            acquire, publish          claim                complete              release
//   FREE ------------------> QUEUED ----------> TAKEN(me) -----------> DONE(me) ----------> FREE, next generation
//                               ^                   | requeue; sweep when the claimer died
//                               +---- QUEUED(me) <--+
//
// Memory order, in one place (each operation names its own below). The word carries the slot: whoever moves it stores
// with release after the last access to payload, deadlines or result, whoever receives it loads with acquire before
// the first. The modification order of that one atomic makes exactly one of several claimers, or of claimer and
// sweeper, win. No operation orders two different atomics against each other in both directions (store here, load
// there), the one thing that would take seq_cst; there are no fences, which ThreadSanitizer does not see.
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <new>
#include <vector>

#include "buddy_arena.hpp"
#include "debug_check.hpp"
#include "slot_word.hpp"

namespace clipper {

#ifdef CLIPPER_PLANT_RELAXED_PUBLISH  // a planted bug: the TSan stress test has to find it
inline constexpr std::memory_order kPublishOrder = std::memory_order_relaxed;
#else
inline constexpr std::memory_order kPublishOrder = std::memory_order_release;
#endif

struct alignas(64) Slot {
  std::atomic<SlotWord> word;
  std::atomic<uint64_t> deadline_us;       // earliest waiter: the order of service
  std::atomic<uint64_t> drop_deadline_us;  // latest waiter: when nobody is left to answer
  uint64_t payload_offset;                 // in the arena; owner writes before publish
  uint64_t payload_bytes;
  uint64_t result;                         // opaque; claimer writes before complete
  std::atomic<uint32_t> queue_id;          // whose requeue ring it goes to if its claimer dies
  uint32_t next_free;                      // owner only, like the two flags
  bool acquired;                           // between acquire and release
  bool delivered;                          // drained in this life; a second bit for it is ignored
  bool orphan;                             // of a dead life of the owner: nobody waits, freed when done
};
static_assert(sizeof(Slot) == 64 && std::atomic<uint64_t>::is_always_lock_free);

class SlotPool {
 public:
  static constexpr int64_t kFull = -1;

  static size_t bytes_needed(uint32_t slot_count, uint64_t arena_bytes) noexcept {
    return layout(slot_count, arena_bytes).total;
  }

  // `memory`: page-aligned, zero-filled (fresh mmap or shared memory), at least bytes_needed(). Pages are touched on
  // first use only. nullptr if a limit of the layout is exceeded (kMaxSlots, kMaxWorkers).
  static SlotPool* create(void* memory, uint32_t slot_count, uint64_t arena_bytes, uint32_t worker = 0) noexcept {
    if (slot_count == 0 || slot_count > kMaxSlots || worker >= kMaxWorkers) return nullptr;
    if (arena_bytes / BuddyArena::kUnitBytes > 0x80000000u) return nullptr;
    const Layout at = layout(slot_count, arena_bytes);
    SlotPool* pool = ::new (memory) SlotPool;
    pool->layout_ = at;
    pool->slot_count_ = slot_count;
    pool->worker_ = worker;
    pool->free_head_ = kNone;
    pool->in_use_ = 0;
    pool->fresh_.store(0, std::memory_order_relaxed);
    pool->pages_done_.store(0, std::memory_order_relaxed);
    char* base = static_cast<char*>(memory);
    pool->arena_.init(base + at.arena_meta, base + at.arena_data, arena_bytes);
    pool->magic_.store(kMagic, std::memory_order_release);
    return pool;
  }

  // The pool that another process created in `memory`, or nullptr.
  static SlotPool* attach(void* memory) noexcept {
    SlotPool* pool = static_cast<SlotPool*>(memory);
    return pool->magic_.load(std::memory_order_acquire) == kMagic ? pool : nullptr;
  }

  // ---- owner ------------------------------------------------------------------------------------------------------

  // A slot with room for a payload, or kFull: say no now. The slot released last comes first.
  int64_t acquire(uint64_t payload_bytes) noexcept {
    const uint32_t fresh = fresh_.load(std::memory_order_relaxed);  // written by this thread only
    if (free_head_ == kNone && fresh == slot_count_) return kFull;
    const int64_t offset = arena_.allocate(payload_bytes);
    if (offset < 0) return kFull;
    uint32_t index = free_head_;
    if (index != kNone) {
      free_head_ = slots()[index].next_free;
    } else {
      index = fresh;
      // relaxed: a sweeper looks for slots that a dead process had claimed; that one had seen the slot published, after
      // this store, and the news of its death came through the kernel.
      fresh_.store(fresh + 1, std::memory_order_relaxed);
    }
    Slot& slot = slots()[index];
    CLIPPER_INVARIANT(!slot.acquired && state_of(slot.word.load(std::memory_order_relaxed)) == SlotState::Free);
    slot.payload_offset = static_cast<uint64_t>(offset);
    slot.payload_bytes = payload_bytes;
    slot.result = 0;
    slot.acquired = true;
    slot.delivered = slot.orphan = false;
    slot.deadline_us.store(0, std::memory_order_relaxed);
    slot.drop_deadline_us.store(0, std::memory_order_relaxed);
    ++in_use_;
    return index;
  }

  // Allowed at any time while the owner has not released it. relaxed: a consumer that reads the value of a moment ago
  // orders or drops as it would have done a moment ago; the values of before publish are seen through the word.
  void set_deadlines(uint32_t index, uint64_t deadline_us, uint64_t drop_deadline_us) noexcept {
    Slot& slot = slots()[index];
    slot.deadline_us.store(deadline_us, std::memory_order_relaxed);
    slot.drop_deadline_us.store(drop_deadline_us, std::memory_order_relaxed);
  }

  // FREE -> QUEUED; returns the generation for the hint. A plain store, as nobody else writes a free slot's word;
  // release: the payload and deadlines above it are seen by whoever reads this word with acquire.
  uint64_t publish(uint32_t index, uint32_t queue_id) noexcept {
    Slot& slot = slots()[index];
    const SlotWord word = slot.word.load(std::memory_order_relaxed);  // own last store
    CLIPPER_INVARIANT(slot.acquired && state_of(word) == SlotState::Free);
    slot.queue_id.store(queue_id, std::memory_order_relaxed);
    slot.word.store(make_word(generation_of(word), Claimer{}, SlotState::Queued), kPublishOrder);
    return generation_of(word);
  }

  // Back to the free list, from: acquired but not published; drained (DONE); or claimed by the owner itself, which
  // needs no way through the bitmap. False, and nothing changes, for a slot that is queued or somebody else's.
  bool release(uint32_t index) noexcept {
    Slot& slot = slots()[index];
    // acquire: pairs with complete(), so the claimer's reads of the payload come before the next life's writes.
    const SlotWord word = slot.word.load(std::memory_order_acquire);
    const SlotState state = state_of(word);
    if (!slot.acquired || state == SlotState::Queued) return false;
    if (state == SlotState::Taken && claimer_of(word).id != worker_ + 1) return false;
    // relaxed: nobody learns anything from a free word but that its hints are stale.
    slot.word.store(next_life(word), std::memory_order_relaxed);
    recycle(index, slot);
    return true;
  }

  // Append the slots completed since the last call. Each life of a slot is delivered once, however often its bit is
  // set. exchange with acquire, page before leaf: a completer sets leaf, then page, both by RMW, so either this call
  // sees the leaf's bit or the page's bit stays set for the next call.
  void drain_completed(std::vector<uint32_t>& done) {
    if (pages_done_.load(std::memory_order_relaxed) == 0) return;
    uint64_t pages = pages_done_.exchange(0, std::memory_order_acquire);
    while (pages != 0) {
      const uint32_t page = static_cast<uint32_t>(__builtin_ctzll(pages));
      pages &= pages - 1;
      const uint32_t end = min(layout_.leaf_count, (page + 1) * layout_.leaves_a_page);
      for (uint32_t leaf = page * layout_.leaves_a_page; leaf < end; ++leaf) {
        if (leaves()[leaf].load(std::memory_order_relaxed) != 0) drain_leaf(leaf, done);
      }
    }
  }

  // After the owner's death, by its next life, before anything else: tasks nobody waits for any more are freed, those
  // in a living claimer's hands become orphans that drain_completed() frees. The arena is rebuilt from what is left.
  void recover() noexcept;

  // ---- anybody ----------------------------------------------------------------------------------------------------

  // QUEUED of this generation -> TAKEN(me). False: the hint was stale, or somebody else was faster.
  bool claim(uint32_t index, uint64_t generation, Claimer me) noexcept {
    Slot& slot = slots()[index];
    SlotWord word = slot.word.load(std::memory_order_relaxed);
    if (generation_of(word) != generation || state_of(word) != SlotState::Queued) return false;
    // acquire: pairs with publish or requeue. The word is compared whole, so a life in between cannot go unnoticed.
    return slot.word.compare_exchange_strong(word, make_word(generation, me, SlotState::Taken),
                                             std::memory_order_acquire, std::memory_order_relaxed);
  }

  // TAKEN(me) -> DONE(me), then the bit that tells the owner. `result` is the owner's to interpret. False: not mine
  // (any more). release: payload reads and the result come before; the id stays so that a sweep can set a lost bit.
  bool complete(uint32_t index, Claimer me, uint64_t result = 0) noexcept {
    Slot& slot = slots()[index];
    SlotWord word = slot.word.load(std::memory_order_relaxed);
    if (state_of(word) != SlotState::Taken || !(claimer_of(word) == me)) return false;
    slot.result = result;
    if (!slot.word.compare_exchange_strong(word, make_word(generation_of(word), me, SlotState::Done),
                                           std::memory_order_release, std::memory_order_relaxed)) {
      return false;
    }
    tell_owner(index);
    return true;
  }

  // TAKEN(me) -> QUEUED(me). The id stays: if I die before my new hint is in its ring, the sweep hints the slot again.
  // Returns false if it was not mine. release as in publish: the next claimer may write the result.
  bool requeue(uint32_t index, Claimer me, uint64_t* generation) noexcept {
    Slot& slot = slots()[index];
    SlotWord word = slot.word.load(std::memory_order_relaxed);
    if (state_of(word) != SlotState::Taken || !(claimer_of(word) == me)) return false;
    *generation = generation_of(word);
    return slot.word.compare_exchange_strong(word, make_word(*generation, me, SlotState::Queued),
                                             std::memory_order_release, std::memory_order_relaxed);
  }

  // Give everything of `queue_id` that `dead` held, or had requeued, to `sweeper` as QUEUED, and set the bits that it
  // may have owed. has_room() is asked before, hint(generation, index) called after each slot; false = no room, call
  // again. Idempotent; any number of sweepers may run; one that dies half-way is swept like any other claimer.
  template <class HasRoom, class PushHint>
  bool sweep(Claimer dead, Claimer sweeper, uint32_t queue_id, HasRoom&& has_room, PushHint&& push_hint) noexcept {
    const uint32_t end = fresh_.load(std::memory_order_relaxed);
    for (uint32_t index = 0; index < end; ++index) {
      Slot& slot = slots()[index];
      SlotWord word = slot.word.load(std::memory_order_acquire);  // so that queue_id is of this life
      if (!(claimer_of(word) == dead)) continue;
      if (state_of(word) == SlotState::Done) {
        tell_owner(index);
        continue;
      }
      if (slot.queue_id.load(std::memory_order_relaxed) != queue_id) continue;
      if (!has_room()) return false;
      // acq_rel: between the dead claimer's last release and the next claimer's acquire.
      if (slot.word.compare_exchange_strong(word, make_word(generation_of(word), sweeper, SlotState::Queued),
                                            std::memory_order_acq_rel, std::memory_order_relaxed)) {
        push_hint(generation_of(word), index);
      }
    }
    return true;
  }

  // ---- reading ----------------------------------------------------------------------------------------------------

  SlotWord word(uint32_t index) noexcept { return slots()[index].word.load(std::memory_order_acquire); }
  uint64_t deadline_us(uint32_t index) noexcept { return slots()[index].deadline_us.load(std::memory_order_relaxed); }
  uint64_t drop_deadline_us(uint32_t index) noexcept {
    return slots()[index].drop_deadline_us.load(std::memory_order_relaxed);
  }
  // Only for who holds the slot: the owner before publish and after DONE, the claimer while TAKEN.
  char* payload(uint32_t index) noexcept { return arena_.at(slots()[index].payload_offset); }
  uint64_t payload_bytes(uint32_t index) noexcept { return slots()[index].payload_bytes; }
  uint64_t result(uint32_t index) noexcept { return slots()[index].result; }

  uint32_t slot_count() const noexcept { return slot_count_; }
  uint32_t worker() const noexcept { return worker_; }
  uint32_t in_use() const noexcept { return in_use_; }                               // owner only
  uint64_t arena_used_bytes() const noexcept { return arena_.used_bytes(); }         // owner only
  uint64_t arena_capacity_bytes() const noexcept { return arena_.capacity_bytes(); }

 private:
  static constexpr uint64_t kMagic = 0x31506f6c53706c43;  // "ClpSloP1": raise the digit when the layout changes
  static constexpr uint32_t kNone = 0xffffffffu;
  static constexpr uint64_t kPageBytes = 4096;

  struct Layout {  // byte offsets from the pool
    uint64_t leaves, slots, arena_meta, arena_data, total;
    uint32_t leaf_count, leaves_a_page;  // a leaf has a bit a slot; a bit of pages_done_ stands for leaves_a_page leaves
  };

  SlotPool() = default;

  static constexpr uint32_t min(uint32_t a, uint32_t b) noexcept { return a < b ? a : b; }
  static constexpr uint64_t round_up(uint64_t n, uint64_t unit) noexcept { return (n + unit - 1) / unit * unit; }
  static Layout layout(uint32_t slot_count, uint64_t arena_bytes) noexcept {
    Layout at{};
    at.leaf_count = (slot_count + 63) / 64;
    at.leaves_a_page = (at.leaf_count + 63) / 64;
    at.leaves = round_up(sizeof(SlotPool), 64);
    at.slots = round_up(at.leaves + at.leaf_count * 8u, 64);
    at.arena_meta = at.slots + uint64_t{slot_count} * sizeof(Slot);
    at.arena_data = round_up(at.arena_meta + BuddyArena::meta_bytes(arena_bytes), kPageBytes);
    at.total = round_up(at.arena_data + arena_bytes, kPageBytes);
    return at;
  }

  template <class T>
  T* at(uint64_t offset) noexcept {
    return reinterpret_cast<T*>(reinterpret_cast<char*>(this) + offset);
  }
  Slot* slots() noexcept { return at<Slot>(layout_.slots); }
  std::atomic<uint64_t>* leaves() noexcept { return at<std::atomic<uint64_t>>(layout_.leaves); }

  // release: whoever exchanges the page sees the leaf, whoever exchanges the leaf sees DONE. Both are RMW without a
  // look beforehand: "the page bit is set already, skip it" would need seq_cst against the owner's exchange.
  void tell_owner(uint32_t index) noexcept {
    const uint32_t leaf = index / 64;
    leaves()[leaf].fetch_or(uint64_t{1} << index % 64, std::memory_order_release);
    pages_done_.fetch_or(uint64_t{1} << leaf / layout_.leaves_a_page, std::memory_order_release);
  }

  void drain_leaf(uint32_t leaf, std::vector<uint32_t>& done) {
    uint64_t bits = leaves()[leaf].exchange(0, std::memory_order_acquire);
    while (bits != 0) {
      const uint32_t index = leaf * 64 + static_cast<uint32_t>(__builtin_ctzll(bits));
      bits &= bits - 1;
      Slot& slot = slots()[index];
      if (slot.delivered || state_of(slot.word.load(std::memory_order_acquire)) != SlotState::Done) continue;
      slot.delivered = true;
      if (slot.orphan) {
        release(index);
      } else {
        done.push_back(index);
      }
    }
  }

  void recycle(uint32_t index, Slot& slot) noexcept {
    slot.acquired = false;
    slot.next_free = free_head_;
    free_head_ = index;
    --in_use_;
    arena_.free(slot.payload_offset, slot.payload_bytes);
  }

  // Written once, read by all.
  std::atomic<uint64_t> magic_;
  Layout layout_;
  uint32_t slot_count_, worker_;
  // Written by the owner.
  alignas(64) std::atomic<uint32_t> fresh_;  // slots below it have been used at least once
  uint32_t free_head_, in_use_;
  BuddyArena arena_;
  // Written by everybody.
  alignas(64) std::atomic<uint64_t> pages_done_;
};

inline void SlotPool::recover() noexcept {
  arena_.reset();
  free_head_ = kNone;
  in_use_ = 0;
  for (uint32_t index = fresh_.load(std::memory_order_relaxed); index-- > 0;) {
    Slot& slot = slots()[index];
    SlotWord word = slot.word.load(std::memory_order_acquire);
    // QUEUED, DONE, or TAKEN by my own former life: free it. The CAS fails only if a claimer or sweeper was faster.
    while (state_of(word) != SlotState::Free &&
           (state_of(word) != SlotState::Taken || claimer_of(word).id == worker_ + 1)) {
      if (slot.word.compare_exchange_weak(word, next_life(word), std::memory_order_acquire)) word = next_life(word);
    }
    slot.acquired = slot.orphan = state_of(word) == SlotState::Taken;
    slot.delivered = false;
    if (slot.orphan) {
      ++in_use_;
      arena_.reserve(slot.payload_offset, slot.payload_bytes);
    } else {
      slot.next_free = free_head_;
      free_head_ = index;
    }
  }
}

}  // namespace clipper
