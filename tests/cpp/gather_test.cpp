// Gather and reply where Python does not look: references of outputs, and memory beyond what was asked for (run under
// the address sanitizer). What is combined and when it is decided is held against a twin in
// tests/property/test_gather_properties.py.
#include "gather.hpp"

#include <algorithm>
#include <cstdlib>
#include <random>
#include <string>
#include <vector>

#include "check.hpp"
#include "reply.hpp"

namespace {

using clipper::Combined;
using clipper::CombineRule;
using clipper::GatherRule;
using clipper::Member;
using clipper::MemberState;
using clipper::Output;
using clipper::Query;
using clipper::QueryPool;

Output* make_output(const std::string& text) { return Output::create(text.data(), static_cast<uint32_t>(text.size())); }

std::string text_of(const Output* output) { return std::string(output->text, output->bytes); }

GatherRule rule_of(CombineRule combine, const std::vector<double>& weights = {}) {
  GatherRule rule;
  rule.combine = combine;
  if (!weights.empty()) rule.set_weights(weights);
  return rule;
}

void answer(const GatherRule& rule, Query* query, uint16_t index, Output* owned) {
  Member* member = &query->members()[index];
  member->output = owned;
  member->state = MemberState::Answered;
  clipper::count_output(rule, query, member);
}

// Of the votes that were counted one by one: what a fresh count finds.
void check_votes(const GatherRule& rule, Query* query) {
  Member* members = query->members();
  for (uint16_t i = 0; i < query->member_count; ++i) {
    uint64_t votes = 0;
    bool is_first = members[i].state == MemberState::Answered;
    for (uint16_t j = 0; j < query->member_count && members[i].state == MemberState::Answered; ++j) {
      if (members[j].state != MemberState::Answered || !clipper::is_same_output(members[i].output, members[j].output)) continue;
      votes += rule.share(j);
      if (j < i) is_first = false;
    }
    CHECK(members[i].votes == (is_first ? votes : 0) && members[i].holds_votes == is_first);
  }
}

void test_votes_are_held_by_the_first_in_link_order_whoever_comes_first(uint32_t seed) {
  std::mt19937 random(seed);
  QueryPool pool;
  const uint16_t count = static_cast<uint16_t>(2 + random() % 63);
  Query* query = pool.new_query(count);
  std::vector<double> weights(count);
  for (double& weight : weights) weight = static_cast<double>(random() % 4);
  weights[0] = 1.0;
  const GatherRule rule = seed % 2 == 0 ? rule_of(CombineRule::Majority) : rule_of(CombineRule::Weighted, weights);
  std::vector<uint16_t> order(count);
  for (uint16_t i = 0; i < count; ++i) order[i] = i;
  std::shuffle(order.begin(), order.end(), random);
  Output* shared = make_output("\"shared\"");
  for (const uint16_t index : order) {
    switch (random() % 4) {
      case 0: query->members()[index].state = MemberState::Failed; break;
      case 1: answer(rule, query, index, shared->retain()); break;
      default: answer(rule, query, index, make_output(std::to_string(random() % 3)));
    }
    check_votes(rule, query);
  }
  Combined combined = clipper::combine(rule, query);
  if (combined.output != nullptr) {
    CHECK(combined.confidence >= 0.0 && combined.confidence <= 1.0);
    combined.output->release();
  }
  pool.free_query(query);
  CHECK(shared->references == 1);
  shared->release();
  CHECK(pool.live_queries() == 0);
}

void test_recycled_query_has_no_votes_left() {
  QueryPool pool;
  Query* query = pool.new_query(3);
  const GatherRule rule = rule_of(CombineRule::Majority);
  for (uint16_t i = 0; i < 3; ++i) answer(rule, query, i, make_output("1"));
  pool.free_query(query);
  Query* again = pool.new_query(3);
  CHECK(again == query);
  CHECK(clipper::leader_of(again) == nullptr && !clipper::are_votes_decided(rule, again));
  pool.free_query(again);
}

void test_combined_output_outlives_its_query() {
  QueryPool pool;
  const std::vector<double> weights = {1.0, 3.0};
  for (const GatherRule& rule : {rule_of(CombineRule::Majority), rule_of(CombineRule::Mean),
                                 rule_of(CombineRule::Weighted, weights), rule_of(CombineRule::Mean, weights)}) {
    Query* query = pool.new_query(2);
    answer(rule, query, 0, make_output("4.0"));
    answer(rule, query, 1, make_output("4.0"));
    Combined combined = clipper::combine(rule, query);
    pool.free_query(query);
    CHECK(text_of(combined.output) == "4.0" && combined.confidence == 1.0);
    combined.output->release();
  }
}

// Outputs are not NUL-terminated: each cut of a valid one is read to its end and not beyond.
void test_mean_of_an_output_cut_anywhere_reads_no_further() {
  const std::string whole = " [ 1.5 , -2e3, 0 ] ";
  for (size_t bytes = 0; bytes <= whole.size(); ++bytes) {
    QueryPool pool;
    Query* query = pool.new_query(2);
    const GatherRule rule = rule_of(CombineRule::Mean);
    answer(rule, query, 0, make_output(whole.substr(0, bytes)));
    answer(rule, query, 1, make_output("[1.5,-2e3,0]"));
    Combined combined = clipper::combine(rule, query);
    const bool is_whole = bytes > whole.rfind(']');
    CHECK((combined.output != nullptr) == is_whole && (combined.failure == nullptr) == is_whole);
    if (combined.output != nullptr) {
      CHECK(text_of(combined.output) == "[1.5,-2000.0,0.0]");
      combined.output->release();
    }
    pool.free_query(query);
  }
}

void test_confidence_of_an_output_cut_anywhere_reads_no_further() {
  for (const std::string whole : {" {\"a\": [1, {\"confidence\": 0.5}], \"confidence\": 0.25 } ", " [ 0.5 , 0.25 ] "}) {
    for (size_t bytes = 0; bytes <= whole.size(); ++bytes) {
      Output* output = make_output(whole.substr(0, bytes));
      const double confidence = clipper::output_confidence(output);
      CHECK(confidence == clipper::kUnknownConfidence || (confidence >= 0.0 && confidence <= 1.0));
      output->release();
    }
  }
}

// What a query was given beside its members goes with it, whether it is recycled or not.
void test_query_gives_back_features_and_the_outputs_of_stages_and_shadows() {
  QueryPool pool;
  Output* shared = make_output("1");
  for (const uint16_t room : {1, 3, 9}) {
    Query* query = pool.new_query(1, room, 2);
    query->features = static_cast<double*>(std::malloc(8 * sizeof(double)));
    for (uint16_t i = 0; i < room; ++i) query->members()[i].output = shared->retain();
    for (uint16_t i = 0; i < 2; ++i) query->shadows()[i].output = shared->retain();
    pool.free_query(query);
    CHECK(shared->references == 1);
  }
  shared->release();
  CHECK(pool.live_queries() == 0);
}

// append_prediction makes room once for all of its pieces: the longest of each must fit.
void test_prediction_of_the_longest_pieces_fits_into_its_room() {
  for (const size_t bytes : {size_t{0}, size_t{1}, size_t{127}, size_t{128}, size_t{100'000}}) {
    const std::string value(bytes, '7'), label(bytes, 'm');
    Output* output = make_output(value);
    for (const double confidence : {1.0, 1.0 / 3.0, 0.0}) {
      std::string text = "before";
      clipper::append_prediction(text, UINT64_MAX, output, label, confidence);
      const std::string expected = "before{\"query_id\":18446744073709551615,\"output\":" + value +
                                   ",\"default\":false,\"model\":\"" + label + "\",\"confidence\":" +
                                   (confidence == 1.0 ? "1.0}" : confidence == 0.0 ? "0.0}" : "0.3333}");
      CHECK(text == expected);
      clipper::append_missing(text, {label, "b:1"});
      CHECK(text == expected.substr(0, expected.size() - 1) + ",\"missing\":[\"" + label + "\",\"b:1\"]}");
    }
    output->release();
  }
}

void test_cause_without_words_adds_nothing() {
  for (const char* cause : {"", "\"", "\"\""}) {
    Output* output = make_output(cause);
    std::string text;
    clipper::append_default(text, 1, "0", "why", output);
    CHECK(text == "{\"query_id\":1,\"output\":0,\"default\":true,\"default_explanation\":\"why\"}");
    text.clear();
    clipper::append_error(text, 1, true, "code", "why", output);
    CHECK(text == "{\"query_id\":1,\"error\":\"code\",\"cause\":\"why\"}");
    output->release();
  }
}

}  // namespace

int main() {
  for (uint32_t seed = 1; seed <= 400; ++seed) test_votes_are_held_by_the_first_in_link_order_whoever_comes_first(seed);
  test_recycled_query_has_no_votes_left();
  test_combined_output_outlives_its_query();
  test_mean_of_an_output_cut_anywhere_reads_no_further();
  test_confidence_of_an_output_cut_anywhere_reads_no_further();
  test_query_gives_back_features_and_the_outputs_of_stages_and_shadows();
  test_prediction_of_the_longest_pieces_fits_into_its_room();
  test_cause_without_words_adds_nothing();
  return check::result();
}
