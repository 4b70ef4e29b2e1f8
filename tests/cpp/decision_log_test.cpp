// The decision log: its budget at the edge, what is pushed out, and that every reference is given back.
#include "decision_log.hpp"

#include <vector>

#include "check.hpp"
#include "decision_stream.hpp"

using clipper::DecisionFeed;
using clipper::DecisionLog;
using clipper::DecisionMember;
using clipper::DecisionRecord;
using clipper::Output;
using clipper::PlanHold;
using clipper::PredictionCache;

namespace {

int released = 0;
void release_plan(void* plan) {
  ++released;
  CHECK(plan != nullptr);
}

// A decision over one model that gave `output`, which is ours still.
DecisionRecord* decide(DecisionLog& log, uint64_t id, PlanHold& plan, Output* output, uint64_t expires_us = 100) {
  bool is_new = false;
  const int before = static_cast<int>(plan.records);
  DecisionRecord* record = log.add(id, &plan, 1, 0, {}, output == nullptr ? 0 : PredictionCache::output_bytes(output), &is_new);
  if (record == nullptr) return nullptr;
  CHECK(is_new == (before == 0) || before == 1);  // its one record may have been pushed out for this one
  record->expires_us = expires_us;
  if (output != nullptr) record->members()[0].output = output->retain();
  return record;
}

void budget_holds_exactly_as_many_records_as_fit() {
  PlanHold plan;
  plan.plan = &plan;
  Output* const output = Output::create("1", 1);
  const uint64_t one = DecisionLog::kMinRecordBytes + PredictionCache::output_bytes(output);
  const uint64_t fixed = DecisionLog::kFixedBytes;
  // The capacity is that of records without an output, so the fixed part is larger than three records need.
  uint64_t budget = 3 * one;
  while (DecisionLog(budget, release_plan).limit_bytes() < 3 * one) ++budget;
  {
    DecisionLog log(budget, release_plan);
    CHECK(log.limit_bytes() == 3 * one);
    CHECK(budget - log.limit_bytes() == log.capacity() * fixed);
    for (uint64_t id = 1; id <= 4; ++id) CHECK(decide(log, id, plan, output) != nullptr);
    CHECK(log.size() == 3);
    CHECK(log.counters().evictions == 1);
    CHECK(log.find(1, 0) == nullptr);
    CHECK(log.find(2, 0) != nullptr && log.find(4, 0) != nullptr);
    CHECK(log.broken_invariant() == nullptr);
    CHECK(output->references == 4);
    CHECK(plan.records == 3);
  }
  CHECK(output->references == 1);
  CHECK(plan.records == 0 && released > 0);
  output->release();
}

void record_that_is_past_its_time_is_not_found_and_goes_when_it_is_the_oldest() {
  PlanHold plan;
  plan.plan = &plan;
  DecisionLog log(10'000, release_plan);
  decide(log, 1, plan, nullptr, 50);
  decide(log, 2, plan, nullptr, 10);
  CHECK(log.find(2, 9) != nullptr);
  CHECK(log.find(2, 10) == nullptr);
  log.expire(10, 100);
  CHECK(log.size() == 2);
  log.expire(50, 1);
  CHECK(log.size() == 1);
  log.expire(50, 100);
  CHECK(log.size() == 0);
  CHECK(log.counters().bytes == 0);
  CHECK(log.broken_invariant() == nullptr);
}

void one_call_pushes_out_a_bounded_number() {
  PlanHold plan;
  plan.plan = &plan;
  DecisionLog log(1 << 20, release_plan);
  for (uint64_t id = 1; id <= 2 * log.capacity(); ++id) decide(log, id, plan, nullptr);
  const uint64_t before = log.size();
  bool is_new = false;
  CHECK(log.add(1, &plan, 1, 0, {}, 1 << 19, &is_new) == nullptr);
  CHECK(before - log.size() == DecisionLog::kMaxEvictions);
  CHECK(log.counters().refusals == 1);
  CHECK(log.broken_invariant() == nullptr);
}

void plan_is_counted_while_a_record_speaks_of_it() {
  PlanHold first, second;
  first.plan = &first;
  second.plan = &second;
  first.bytes = second.bytes = 600;
  released = 0;
  DecisionLog log(2'000, release_plan);
  decide(log, 1, first, nullptr);
  decide(log, 2, first, nullptr);
  CHECK(log.counters().bytes == 600 + 2 * DecisionLog::kMinRecordBytes);
  for (uint64_t id = 3; released == 0; ++id) decide(log, id, second, nullptr);
  CHECK(first.records == 0);
  CHECK(log.broken_invariant() == nullptr);
}

void nothing_is_kept_without_a_budget() {
  PlanHold plan;
  plan.plan = &plan;
  DecisionLog log(0, release_plan);
  CHECK(decide(log, 1, plan, nullptr) == nullptr);
  CHECK(log.find(1, 0) == nullptr);
  log.expire(1'000, 10);
  CHECK(plan.records == 0);
}

void sample_is_uniform_over_the_decisions() {
  std::vector<int> hits(100, 0);
  uint64_t random = 88172645463325252u;
  for (int round = 0; round < 2'000; ++round) {
    DecisionFeed feed;
    feed.sample_size = 10;
    for (uint64_t id = 0; id < 100; ++id) {
      random ^= random << 13; random ^= random >> 7; random ^= random << 17;
      feed.decided(id, random * 2685821657736338717u);
    }
    const std::vector<uint64_t> sample = feed.take_sample();
    CHECK(sample.size() == 10);
    for (const uint64_t id : sample) ++hits[id];
    CHECK(feed.take_sample().empty());
  }
  // Each is expected 200 times, with a standard deviation of 13.4: six of them either way.
  for (const int count : hits) CHECK(count > 120 && count < 280);
}

void feed_of_a_file_loses_what_it_has_no_room_for() {
  DecisionFeed feed;
  feed.is_filed = true;
  for (uint64_t id = 0; id < DecisionFeed::kMaxUnfiled + 5; ++id) feed.decided(id, 0);
  feed.not_recorded();
  CHECK(feed.take_lost() == 6);
  CHECK(feed.take_lost() == 0);
  CHECK(feed.take_unfiled(2) == (std::vector<uint64_t>{0, 1}));
  CHECK(feed.take_unfiled(DecisionFeed::kMaxUnfiled).size() == DecisionFeed::kMaxUnfiled - 2);
  CHECK(feed.take_unfiled(1).empty());
}

}  // namespace

int main() {
  budget_holds_exactly_as_many_records_as_fit();
  record_that_is_past_its_time_is_not_found_and_goes_when_it_is_the_oldest();
  one_call_pushes_out_a_bounded_number();
  plan_is_counted_while_a_record_speaks_of_it();
  nothing_is_kept_without_a_budget();
  sample_is_uniform_over_the_decisions();
  feed_of_a_file_loses_what_it_has_no_room_for();
  return check::result();
}
