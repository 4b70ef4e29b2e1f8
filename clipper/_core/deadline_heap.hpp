// Which deadline fires next: an indexed binary min-heap of (fire_us, node), with removal from anywhere.
//
// A query leaves the heap early far more often than it fires, so removal must not search: each node carries its own
// position (`heap_index`), which the heap keeps up to date. Deadlines of one application come nearly in order
// (arrival + a constant SLO), so an insertion seldom climbs more than a step: O(log n) at worst, O(1) in practice.
// fire_us is kept beside the pointer, so that sifting compares within the array and follows a pointer only to store
// the new position. Nodes with the same fire_us fire in no particular order.
//
// Node: any type with `uint64_t fire_us` and `uint32_t heap_index = DeadlineHeap<Node>::kNotInHeap`. The caller owns
// the nodes, which must not move or die while they are in the heap. fire_us changes only through the heap.
// One thread; no clock: `now_us` is an argument.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

namespace clipper {

template <typename Node>
class DeadlineHeap {
 public:
  static constexpr uint32_t kNotInHeap = UINT32_MAX;
  static constexpr uint64_t kNever = UINT64_MAX;

  bool empty() const noexcept { return entries_.empty(); }
  size_t size() const noexcept { return entries_.size(); }
  static bool contains(const Node* node) noexcept { return node->heap_index != kNotInHeap; }

  // When the earliest node fires; kNever if there is none.
  uint64_t next_us() const noexcept { return entries_.empty() ? kNever : entries_[0].fire_us; }

  // After this, insert() of up to `count` nodes in all cannot throw.
  void reserve(size_t count) { entries_.reserve(count); }

  // Adds a node that is not in the heap; one that is already in it is moved to fire_us. Throws std::bad_alloc, and
  // then leaves node and heap as they were.
  void insert(Node* node, uint64_t fire_us) {
    if (contains(node)) {
      move(node, fire_us);
      return;
    }
    entries_.push_back(Entry{fire_us, node});
    node->fire_us = fire_us;
    sift_up(static_cast<uint32_t>(entries_.size() - 1), Entry{fire_us, node});
  }

  // Removes a node; does nothing if it is not in the heap (it fired already).
  void remove(Node* node) noexcept {
    if (!contains(node)) return;
    const uint32_t index = node->heap_index;
    node->heap_index = kNotInHeap;
    const Entry last = entries_.back();
    entries_.pop_back();
    if (index < entries_.size()) settle(index, last);
  }

  // Gives a node that is in the heap a new deadline.
  void move(Node* node, uint64_t fire_us) noexcept {
    node->fire_us = fire_us;
    settle(node->heap_index, Entry{fire_us, node});
  }

  // Removes and returns the earliest node with fire_us <= now_us; nullptr if none is due.
  Node* pop_due(uint64_t now_us) noexcept {
    if (entries_.empty() || entries_[0].fire_us > now_us) return nullptr;
    Node* const node = entries_[0].node;
    remove(node);
    return node;
  }

  // The node that fires next, left in the heap; nullptr if there is none.
  Node* peek() const noexcept { return entries_.empty() ? nullptr : entries_[0].node; }

 private:
  struct Entry {
    uint64_t fire_us;
    Node* node;
  };

  void place(uint32_t index, const Entry& entry) noexcept {
    entries_[index] = entry;
    entry.node->heap_index = index;
  }

  void settle(uint32_t index, const Entry& entry) noexcept {
    if (index > 0 && entry.fire_us < entries_[(index - 1) / 2].fire_us) sift_up(index, entry);
    else sift_down(index, entry);
  }

  void sift_up(uint32_t index, const Entry entry) noexcept {
    while (index > 0) {
      const uint32_t parent = (index - 1) / 2;
      if (entries_[parent].fire_us <= entry.fire_us) break;
      place(index, entries_[parent]);
      index = parent;
    }
    place(index, entry);
  }

  void sift_down(uint32_t index, const Entry entry) noexcept {
    const size_t size = entries_.size();
    for (size_t child = 2 * size_t{index} + 1; child < size; child = 2 * size_t{index} + 1) {
      if (child + 1 < size && entries_[child + 1].fire_us < entries_[child].fire_us) ++child;
      if (entries_[child].fire_us >= entry.fire_us) break;
      place(index, entries_[child]);
      index = static_cast<uint32_t>(child);
    }
    place(index, entry);
  }

  std::vector<Entry> entries_;
};

}  // namespace clipper
