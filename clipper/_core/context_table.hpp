// Contexts (a user, a session) and what is kept of each, in a bounded table: who was not asked for the longest time
// makes room for a new one. O(1); a look-up allocates nothing.
//
// What is kept is a pointer that the caller owns: whatever leaves the table is handed back.
#pragma once
#include <cstddef>
#include <cstdint>
#include <list>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "debug_check.hpp"

namespace clipper {

class ContextTable {
 public:
  explicit ContextTable(uint64_t max_entries = 0) noexcept : max_entries_(max_entries) {}
  ContextTable(const ContextTable&) = delete;
  ContextTable& operator=(const ContextTable&) = delete;

  // Null if there is none. It was asked for last from now on.
  void* find(const std::string& context) noexcept {
    const auto found = places_.find(std::string_view(context));
    if (found == places_.end()) return nullptr;
    entries_.splice(entries_.begin(), entries_, found->second);
    return found->second->value;
  }

  // Returns what has to go: the former value of the context, or that of another one if the table is full; else null.
  // With no room at all that is the value itself.
  void* put(const std::string& context, void* value) {
    CLIPPER_INVARIANT(value != nullptr);
    if (max_entries_ == 0) return value;
    const auto found = places_.find(std::string_view(context));
    if (found != places_.end()) {
      entries_.splice(entries_.begin(), entries_, found->second);
      return std::exchange(found->second->value, value);
    }
    entries_.push_front(Entry{context, value});
    try {
      places_.emplace(std::string_view(entries_.front().context), entries_.begin());
    } catch (...) {
      entries_.pop_front();
      throw;
    }
    if (entries_.size() <= max_entries_) return nullptr;
    ++evictions_;
    return take_last();
  }

  // Returns its value, or null if there is none.
  void* remove(const std::string& context) noexcept {
    const auto found = places_.find(std::string_view(context));
    if (found == places_.end()) return nullptr;
    return take(found->second);
  }

  // The value of whoever was not asked for the longest time, removed; null when the table is empty.
  void* take_last() noexcept { return entries_.empty() ? nullptr : take(std::prev(entries_.end())); }

  // Removes the entries whose value is not to be kept; their values are `dropped`.
  void sift(int (*is_kept)(void* value, void* environment), void* environment, std::vector<void*>& dropped) {
    for (auto entry = entries_.begin(); entry != entries_.end();) {
      const auto next = std::next(entry);
      if (!is_kept(entry->value, environment)) {
        dropped.push_back(entry->value);
        take(entry);
      }
      entry = next;
    }
  }

  // Who has to go for a smaller limit is the caller's to take, by take_last() until is_over().
  void set_limit(uint64_t max_entries) noexcept { max_entries_ = max_entries; }
  bool is_over() const noexcept { return entries_.size() > max_entries_; }

  uint64_t size() const noexcept { return entries_.size(); }
  uint64_t evictions() const noexcept { return evictions_; }

 private:
  struct Entry {
    std::string context;
    void* value;
  };
  using Place = std::list<Entry>::iterator;

  void* take(Place entry) noexcept {
    void* value = entry->value;
    places_.erase(std::string_view(entry->context));
    entries_.erase(entry);
    CLIPPER_INVARIANT(places_.size() == entries_.size());
    return value;
  }

  std::list<Entry> entries_;                            // the one asked for last stands first
  std::unordered_map<std::string_view, Place> places_;  // views of the entries' own texts, which never move
  uint64_t max_entries_;
  uint64_t evictions_ = 0;
};

}  // namespace clipper
