// The objects that travel: Request (one HTTP request) -> Query (one input) -> Member (one query x one model).
//
// A Member waits on a predict task, which is a slot of the slot pool; several members of different queries may wait
// on the same task (single-flight). All of it lives on the loop thread of one worker, in memory that is recycled, so
// that a query at rest costs no allocation and no Python object.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <new>
#include <string>
#include <vector>

#include "deadline_heap.hpp"
#include "output.hpp"
#include "prediction_cache.hpp"

namespace clipper {

// Why a member has, or has not, an output. The order is the order of blame: of several misses the largest is told.
enum class MemberState : uint8_t {
  Pending = 0,    // waits on its task; in an answered query: was not waited for, it could change nothing
  Answered = 1,   // `output` is the model's answer
  Deadline = 2,   // dropped from the queue, or still pending when the deadline came
  Refused = 3,    // queue or slot pool full, or predicted to be late
  NoReplica = 4,  // no ready replica of the model
  Failed = 5,     // the model raised; `output` is a JSON string with the short cause
  Unsure = 6,     // of a query, never of a member: there is an output, with less confidence than the plan asks for
};

struct Query;

struct Member {
  Query* query;
  Member* previous;     // neighbours in the list of members that wait on the same task
  Member* next;
  Output* output;       // owned reference, or null
  CacheKey key;         // of the input with its model; zero if the application or the worker does without the cache
  uint64_t votes;       // votes.hpp: for its output, if it is the first in link order who gave it; else 0
  uint32_t slot;        // the task it waits on, while Pending
  MemberState state;
  bool is_too_late;     // Refused, not for want of room, but because it was predicted to miss its deadline
  bool holds_votes;     // it is the first in link order who gave its output
};

struct Request {
  void* connection;     // owned reference to the HttpConnection; null if there is a follower
  void* follower;       // owned reference to the QueryFollower, if no client asked; else null
  void* application;    // owned reference to the Application
  uint64_t sequence;    // place in the connection's pipeline
  uint32_t pending;     // queries not yet answered
  bool is_batch;
  bool has_context;     // and the application learns: else nobody asks
  std::string context;  // UTF-8
  std::vector<std::string> parts;   // one rendered prediction per query, in input order; batch form only
};

struct Query {
  uint64_t fire_us;     // when the deadline timer answers it: deadline - reply margin
  uint32_t heap_index;  // its place in the deadline heap; kept by the heap
  uint16_t member_count;    // members that have been asked
  uint16_t member_room;     // places for them: of a cascade more, one a stage
  uint16_t shadow_count;    // of the plan: behind the members' places
  uint16_t pending;     // members still Pending
  uint32_t part;        // its place in the request's batch
  uint32_t feature_count;
  Request* request;
  void* plan;           // owned reference to the Plan that chose the members
  double* features;     // owned, or null: the input as a row of doubles, where the plan selects by it
  double propensity;    // with which the one member was drawn; 1 where nothing is drawn
  uint16_t first_arm;   // index into the plan of the first member (an arms plan has one member, this arm)
  uint16_t shown;       // the member whose output was the answer, where it is one member's
  bool is_traced;       // its journey is logged
  bool has_stages;      // of a cascade: what is in may lead to the next stage
  bool observes_all;    // its members are evaluated even if the answer does not wait for them
  uint64_t query_id;
  uint64_t arrival_us;
  uint64_t deadline_us; // arrival + SLO; an answer after it is late
  uint64_t last_output_us;

  Member* members() noexcept { return reinterpret_cast<Member*>(this + 1); }

  // Of the models that are asked along and never answer. They wait on no task: an output is in one if it was found in
  // the cache; else it will be found there, under the key, if it is evaluated in time.
  Member* shadows() noexcept { return members() + member_room; }
};

// What the worker keeps beside each slot of the pool: who waits on the task, and under which key it is in flight.
struct TaskRecord {
  Member* waiters = nullptr;
  void* model = nullptr;            // borrowed ModelRuntime; it outlives its tasks
  CacheKey key{};
  uint8_t losses = 0;               // replicas that were lost or suspected with it in hand
  bool in_cache = false;            // an in-flight mark stands in the prediction cache under `key`
  bool is_kept = false;             // is evaluated even if nobody waits on it, for what is learned from the output
  uint64_t deadline_us = 0;         // earliest waiter
  uint64_t drop_deadline_us = 0;    // latest waiter
  uint64_t cache_ttl_us = 0;        // 0 = the entry never expires
  uint64_t pushed_us = 0;
};

inline void attach_waiter(TaskRecord& task, Member* member) noexcept {
  member->previous = nullptr;
  member->next = task.waiters;
  if (task.waiters != nullptr) task.waiters->previous = member;
  task.waiters = member;
}

inline void detach_waiter(TaskRecord& task, Member* member) noexcept {
  if (member->previous != nullptr) member->previous->next = member->next;
  else task.waiters = member->next;
  if (member->next != nullptr) member->next->previous = member->previous;
  member->previous = member->next = nullptr;
}

// Recycles Query and Request memory. Queries with places for up to kPooledMembers members come from free lists.
class QueryPool {
 public:
  QueryPool() = default;
  QueryPool(const QueryPool&) = delete;
  QueryPool& operator=(const QueryPool&) = delete;
  ~QueryPool() {
    for (auto& list : free_queries_) for (Query* query : list) std::free(query);
    for (Request* request : free_requests_) delete request;
  }

  // `member_room` places for members, of which the first `member_count` are taken, and `shadow_count` for shadows.
  Query* new_query(uint16_t member_count, uint16_t member_room, uint16_t shadow_count) {
    const uint32_t places = uint32_t{member_room} + shadow_count;
    Query* query = nullptr;
    if (places <= kPooledMembers && !free_queries_[places].empty()) {
      query = free_queries_[places].back();
      free_queries_[places].pop_back();
    } else {
      query = static_cast<Query*>(std::malloc(sizeof(Query) + places * sizeof(Member)));
      if (query == nullptr) throw std::bad_alloc();
    }
    *query = Query{};
    query->heap_index = DeadlineHeap<Query>::kNotInHeap;
    query->member_count = member_count;
    query->member_room = member_room;
    query->shadow_count = shadow_count;
    query->propensity = 1.0;
    for (uint32_t i = 0; i < places; ++i) {
      query->members()[i] = Member{query, nullptr, nullptr, nullptr, CacheKey{}, 0, 0, MemberState::Pending, false, false};
    }
    ++live_queries_;
    return query;
  }

  Query* new_query(uint16_t member_count) { return new_query(member_count, member_count, 0); }

  void free_query(Query* query) {
    const uint32_t places = uint32_t{query->member_room} + query->shadow_count;
    for (uint32_t i = 0; i < places; ++i) {
      Member& member = query->members()[i];
      if (member.output != nullptr) { member.output->release(); member.output = nullptr; }
    }
    if (query->features != nullptr) std::free(query->features);
    --live_queries_;
    if (places <= kPooledMembers && free_queries_[places].size() < kMaxFree) {
      free_queries_[places].push_back(query);
    } else {
      std::free(query);
    }
  }

  Request* new_request() {
    Request* request;
    if (free_requests_.empty()) request = new Request();
    else { request = free_requests_.back(); free_requests_.pop_back(); }
    return request;
  }

  void free_request(Request* request) {
    request->parts.clear();
    request->follower = nullptr;
    if (request->has_context) { request->context.clear(); request->has_context = false; }
    if (free_requests_.size() < kMaxFree && request->parts.capacity() <= 64) free_requests_.push_back(request);
    else delete request;
  }

  uint64_t live_queries() const noexcept { return live_queries_; }

 private:
  static constexpr uint16_t kPooledMembers = 4;   // larger ensembles are rare: plain malloc
  static constexpr size_t kMaxFree = 16'384;      // as many as slots of the default pool
  std::vector<Query*> free_queries_[kPooledMembers + 1];
  std::vector<Request*> free_requests_;
  uint64_t live_queries_ = 0;
};

}  // namespace clipper
