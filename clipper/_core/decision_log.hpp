// What was decided lately: which models a query was given to, with which probabilities, and what they said, until
// somebody says how good that was (POST /<app>/update) or it is too old.
//
// Records lie in the order of their queries: a ring of pointers, an index from query id to place in the ring. Memory is
// bounded by a budget, over all applications; what needs room pushes out the oldest. A record that is past its
// application's time to live is not found any more, and goes when it has become the oldest. Nothing is ever moved or
// rehashed (lazy_array.hpp), and a call pushes out at most kMaxEvictions records.
//
// Budget: 20 bytes for each record that could fit, the records, and the outputs that they hold, each counted in full
// although the prediction cache may hold it, too; and the plans that only records keep alive.
// Time is an argument; one thread; one reference of each kept Output is ours.
#pragma once
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>
#include <string_view>

#include "cache_index.hpp"
#include "lazy_array.hpp"
#include "output.hpp"
#include "plan_hold.hpp"
#include "prediction_cache.hpp"

namespace clipper {

struct DecisionMember {
  Output* output;      // owned reference, or null: none yet, or too long to keep
  CacheKey key;        // where its output may come to stand in the prediction cache; zeros = nowhere
  double propensity;   // with which this model was asked
  uint16_t model;      // its place among the plan's models, the shadows behind them
  bool shown;          // its output is the answer, or has a part in it
};

struct DecisionRecord {
  uint64_t query_id;
  uint64_t at_us;        // wall clock
  uint64_t expires_us;   // monotonic
  uint64_t feedback;     // digest of what was said about it; 0 = nothing yet
  PlanHold* plan;
  uint32_t stream;       // uid of the application's DecisionStream
  uint32_t bytes;        // of the budget
  uint16_t member_count;
  uint16_t feature_count;
  uint16_t context_bytes;
  bool has_context;
  bool is_answered;      // false: the default output was given, or an error

  DecisionMember* members() noexcept { return reinterpret_cast<DecisionMember*>(this + 1); }
  double* features() noexcept { return reinterpret_cast<double*>(members() + member_count); }
  char* context() noexcept { return reinterpret_cast<char*>(features() + feature_count); }
};

struct DecisionCounters {
  uint64_t records = 0, bytes = 0;  // now; bytes without what is fixed
  uint64_t evictions = 0;           // pushed out before their time
  uint64_t refusals = 0;            // too large for the budget, or more than one call may push out
};

class DecisionLog {
 public:
  static constexpr uint32_t kMaxEvictions = 256;       // about 30 us
  static constexpr uint32_t kMaxOutputBytes = 65'536;  // of one output; a longer one is taken as not observed
  static constexpr uint64_t kMallocBytes = 16;
  static constexpr uint64_t kMinRecordBytes = sizeof(DecisionRecord) + sizeof(DecisionMember) + kMallocBytes;
  static constexpr uint64_t kFixedBytes = 20;          // of a record that could fit: its slots in ring and index

  // budget_bytes = 0 (or too few for one record): nothing is kept. `release_plan` gives the log's reference back.
  // Throws std::bad_alloc if the address space is refused.
  DecisionLog(uint64_t budget_bytes, void (*release_plan)(void*))
      : capacity_(capacity_for(budget_bytes)),
        limit_bytes_(capacity_ == 0 ? 0 : budget_bytes - capacity_ * kFixedBytes),
        release_plan_(release_plan), index_(capacity_), ring_(capacity_) {}
  DecisionLog(const DecisionLog&) = delete;
  DecisionLog& operator=(const DecisionLog&) = delete;
  ~DecisionLog() { clear(); }

  // A record of a decision, its members' outputs and its features still to be filled in: `output_bytes` is what the
  // outputs take (PredictionCache::output_bytes). Null if there is no room. Sets `is_new_plan` if nothing kept the
  // plan alive before: the caller has to give the log a reference of it.
  DecisionRecord* add(uint64_t query_id, PlanHold* plan, uint16_t member_count, uint16_t feature_count,
                      std::string_view context, uint64_t output_bytes, bool* is_new_plan) noexcept {
    const uint64_t own_bytes = sizeof(DecisionRecord) + member_count * sizeof(DecisionMember) +
                               feature_count * sizeof(double) + context.size();
    const uint64_t bytes = own_bytes + kMallocBytes + output_bytes;
    uint32_t evicted = 0;
    // The plan may lose its last other record while room is made, so it is counted anew each time.
    while (used_bytes_ + bytes + (plan->records == 0 ? plan->bytes : 0) > limit_bytes_ || size() == capacity_) {
      if (size() == 0 || evicted++ == kMaxEvictions) return refuse();
      drop_oldest();
      ++counters_.evictions;
    }
    auto* const record = static_cast<DecisionRecord*>(std::malloc(own_bytes));
    if (record == nullptr || bytes > UINT32_MAX) {
      std::free(record);
      return refuse();
    }
    std::memset(record, 0, sizeof(DecisionRecord) + member_count * sizeof(DecisionMember));
    record->query_id = query_id;
    record->plan = plan;
    record->bytes = static_cast<uint32_t>(bytes);
    record->member_count = member_count;
    record->feature_count = feature_count;
    record->context_bytes = static_cast<uint16_t>(context.size());
    if (!context.empty()) std::memcpy(record->context(), context.data(), context.size());
    *is_new_plan = plan->records++ == 0;
    used_bytes_ += bytes + (*is_new_plan ? plan->bytes : 0);
    const auto place = static_cast<uint32_t>(end_ % capacity_);
    ring_[place] = record;
    index_.insert(tag_of(query_id), place);
    ++end_;
    return record;
  }

  // Null: never recorded, pushed out, or past its time.
  DecisionRecord* find(uint64_t query_id, uint64_t now_us) noexcept {
    if (size() == 0) return nullptr;
    const uint32_t place =
        index_.find(tag_of(query_id), [&](uint32_t candidate) { return ring_[candidate]->query_id == query_id; });
    if (place == CacheIndex::kNone || now_us >= ring_[place]->expires_us) return nullptr;
    return ring_[place];
  }

  // Frees the oldest records that are past their time, `most` at most.
  void expire(uint64_t now_us, uint32_t most) noexcept {
    for (; most > 0 && size() > 0 && now_us >= ring_[begin_ % capacity_]->expires_us; --most) drop_oldest();
  }

  void clear() noexcept {
    while (size() > 0) drop_oldest();
  }

  DecisionRecord* oldest() noexcept { return size() == 0 ? nullptr : ring_[begin_ % capacity_]; }
  uint64_t size() const noexcept { return end_ - begin_; }
  uint32_t capacity() const noexcept { return capacity_; }
  uint64_t limit_bytes() const noexcept { return limit_bytes_; }
  DecisionCounters counters() const noexcept {
    DecisionCounters now = counters_;
    now.records = size();
    now.bytes = used_bytes_;
    return now;
  }

  // What is wrong within; nullptr if nothing is. Walks everything: for tests and debug builds.
  const char* broken_invariant() {
    uint64_t bytes = 0;
    for (uint64_t i = begin_; i != end_; ++i) {
      DecisionRecord* const record = ring_[i % capacity_];
      bytes += record->bytes;
      if (record->plan->records == 0) return "a record's plan counts no record";
      const uint32_t place = index_.find(tag_of(record->query_id), [&](uint32_t candidate) {
        return ring_[candidate]->query_id == record->query_id;
      });
      if (place != i % capacity_) return "a record is not found by its query id";
    }
    if (bytes > used_bytes_) return "used_bytes is less than the sum of the records";
    if (used_bytes_ > limit_bytes_) return "the budget is exceeded";
    if (size() == 0 && used_bytes_ != 0) return "an empty log uses bytes";
    if (index_.count() != size()) return "the index has other entries than the ring";
    return nullptr;
  }

 private:
  static uint32_t capacity_for(uint64_t budget_bytes) noexcept {
    const uint64_t capacity = budget_bytes / (kMinRecordBytes + kFixedBytes);
    return static_cast<uint32_t>(capacity < UINT32_MAX / 4 ? capacity : UINT32_MAX / 4);
  }
  // Ids of one worker are multiples of its step apart: the multiplication spreads them over the tag (Knuth, 6.4).
  static uint32_t tag_of(uint64_t query_id) noexcept {
    return static_cast<uint32_t>((query_id * 0x9E3779B97F4A7C15u) >> 32);
  }

  DecisionRecord* refuse() noexcept {
    ++counters_.refusals;
    return nullptr;
  }

  void drop_oldest() noexcept {
    const auto place = static_cast<uint32_t>(begin_ % capacity_);
    DecisionRecord* const record = ring_[place];
    index_.erase(tag_of(record->query_id), place);
    ring_[place] = nullptr;
    ++begin_;
    used_bytes_ -= record->bytes;
    for (uint16_t i = 0; i < record->member_count; ++i) {
      if (record->members()[i].output != nullptr) record->members()[i].output->release();
    }
    PlanHold* const plan = record->plan;
    std::free(record);
    if (--plan->records == 0) {
      used_bytes_ -= plan->bytes;
      release_plan_(plan->plan);  // `plan` may be gone now
    }
  }

  const uint32_t capacity_;
  const uint64_t limit_bytes_;
  void (*const release_plan_)(void*);
  CacheIndex index_;
  LazyArray<DecisionRecord*> ring_;
  uint64_t begin_ = 0, end_ = 0;  // counted for ever; the place in the ring is the rest by the capacity
  uint64_t used_bytes_ = 0;
  DecisionCounters counters_;
};

}  // namespace clipper
