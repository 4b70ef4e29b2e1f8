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
};

struct Query;

struct Member {
  Query* query;
  Member* previous;     // neighbours in the list of members that wait on the same task
  Member* next;
  Output* output;       // owned reference, or null
  uint32_t slot;        // the task it waits on, while Pending
  uint16_t votes;       // majority.hpp: how many gave its output, if it is the first of them in link order; else 0
  MemberState state;
  bool is_too_late;     // Refused, not for want of room, but because it was predicted to miss its deadline
};

struct Request {
  void* connection;     // owned reference to the HttpConnection
  void* application;    // owned reference to the Application
  uint64_t sequence;    // place in the connection's pipeline
  uint32_t pending;     // queries not yet answered
  bool is_batch;
  std::vector<std::string> parts;   // one rendered prediction per query, in input order; batch form only
};

struct Query {
  uint64_t fire_us;     // when the deadline timer answers it: deadline - reply margin
  uint32_t heap_index;  // its place in the deadline heap; kept by the heap
  uint16_t member_count;
  uint16_t pending;     // members still Pending
  uint32_t part;        // its place in the request's batch
  Request* request;
  void* plan;           // owned reference to the Plan that chose the members
  uint16_t first_arm;   // index into the plan of the first member (an arms plan has one member, this arm)
  bool is_traced;       // its journey is logged
  uint64_t query_id;
  uint64_t arrival_us;
  uint64_t deadline_us; // arrival + SLO; an answer after it is late
  uint64_t last_output_us;

  Member* members() noexcept { return reinterpret_cast<Member*>(this + 1); }
};

// What the worker keeps beside each slot of the pool: who waits on the task, and under which key it is in flight.
struct TaskRecord {
  Member* waiters = nullptr;
  void* model = nullptr;            // borrowed ModelRuntime; it outlives its tasks
  CacheKey key{};
  uint8_t losses = 0;               // replicas that were lost or suspected with it in hand
  bool in_cache = false;            // an in-flight mark stands in the prediction cache under `key`
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

// Recycles Query and Request memory. Queries of up to kPooledMembers members come from free lists.
class QueryPool {
 public:
  QueryPool() = default;
  QueryPool(const QueryPool&) = delete;
  QueryPool& operator=(const QueryPool&) = delete;
  ~QueryPool() {
    for (auto& list : free_queries_) for (Query* query : list) std::free(query);
    for (Request* request : free_requests_) delete request;
  }

  Query* new_query(uint16_t member_count) {
    Query* query = nullptr;
    if (member_count <= kPooledMembers && !free_queries_[member_count].empty()) {
      query = free_queries_[member_count].back();
      free_queries_[member_count].pop_back();
    } else {
      query = static_cast<Query*>(std::malloc(sizeof(Query) + member_count * sizeof(Member)));
      if (query == nullptr) throw std::bad_alloc();
    }
    *query = Query{};
    query->heap_index = DeadlineHeap<Query>::kNotInHeap;
    query->member_count = member_count;
    for (uint16_t i = 0; i < member_count; ++i) {
      query->members()[i] = Member{query, nullptr, nullptr, nullptr, 0, 0, MemberState::Pending, false};
    }
    ++live_queries_;
    return query;
  }

  void free_query(Query* query) {
    for (uint16_t i = 0; i < query->member_count; ++i) {
      Member& member = query->members()[i];
      if (member.output != nullptr) { member.output->release(); member.output = nullptr; }
    }
    --live_queries_;
    if (query->member_count <= kPooledMembers && free_queries_[query->member_count].size() < kMaxFree) {
      free_queries_[query->member_count].push_back(query);
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
