// What the dispatcher is made of, each against what it promises: admission, stragglers, hedge budget, peak, twins.
#include <cstdint>
#include <random>
#include <vector>

#include "admission.hpp"
#include "check.hpp"
#include "in_flight.hpp"
#include "recent_peak.hpp"
#include "straggler.hpp"

using namespace clipper;

namespace {

FinishEstimate takes(uint64_t base_us, double per_item_us) { return FinishEstimate{base_us, per_item_us}; }

void admission_knows_nothing_and_admits() {
  Admission admission;
  CHECK(admission.admits(1000, 0));
  admission.pushed();
  CHECK(admission.admits(1000, 1000));  // no replica was told of
  admission.begin(1000, 50);
  admission.add(1000, 1, takes(0, 0), 0.0);
  admission.end();
  CHECK(admission.admits(1000, 1001));
}

void admission_counts_what_is_ahead() {
  Admission admission;
  admission.begin(0, 0);
  admission.add(5000, 10, takes(1000, 100), 0.0);  // free at 5 ms; a full batch takes 2 ms
  admission.end();
  CHECK(admission.admits(5000, 0) && !admission.admits(4999, 0));  // nobody waits, and it is idle
  for (int i = 0; i < 10; ++i) {
    const uint64_t finish_us = 5000 + 1000 + 100 * (static_cast<uint64_t>(i) + 1);
    CHECK(admission.admits(0, finish_us) && !admission.admits(0, finish_us - 1));
    admission.pushed();
  }
  CHECK(!admission.admits(0, 8999) && admission.admits(0, 9000));        // the second batch
  CHECK(!admission.admits(6000, 9999) && admission.admits(6000, 10000));  // late: it is free now at the earliest
}

void admission_counts_on_every_replica() {
  Admission admission;
  admission.begin(0, 0);
  admission.add(2000, 4, takes(2000, 0), 0.0);
  admission.add(0, 4, takes(9000, 0), 0.0);
  admission.end();
  for (int i = 0; i < 8; ++i) admission.pushed();
  CHECK(admission.answered_by(0, 3999) == 0 && admission.answered_by(0, 4000) == 4);
  CHECK(admission.answered_by(0, 6000) == 8 && admission.answered_by(0, 9000) == 4 * 3 + 4);
  CHECK(!admission.admits(0, 7999) && admission.admits(0, 8000));
}

void admission_under_overload_expects_the_batch_to_fill_at_the_measured_rate() {
  Admission admission;
  for (uint64_t turn = 1; turn <= 1000; ++turn) {
    for (int i = 0; i < 200; ++i) admission.admits(turn * 1000, ~uint64_t{0});  // 200 a millisecond
    admission.begin(turn * 1000, 1);
  }
  CHECK(admission.rate_per_us() > 0.199 && admission.rate_per_us() < 0.201);
  admission.add(1'000'000 + 1'000, 1000, takes(0, 10), 0.0);  // 100 a millisecond
  admission.end();
  CHECK(!admission.admits(1'000'000, 1'001'000 + 1'990));  // two waiting, and two hundred that will come until then
  CHECK(admission.admits(1'000'000, 1'001'000 + 2'040));
  for (uint64_t turn = 1001; turn <= 1400; ++turn) admission.begin(turn * 1000, 1);
  CHECK(admission.rate_per_us() < 0.01);
}

void admission_without_overload_expects_nobody_else() {
  Admission admission;
  for (uint64_t turn = 1; turn <= 1000; ++turn) {
    for (int i = 0; i < 5; ++i) admission.admits(turn * 1000, ~uint64_t{0});
    admission.begin(turn * 1000, 1);
  }
  admission.add(1'000'000 + 10'000, 1000, takes(0, 10), 0.0);
  admission.end();
  CHECK(!admission.admits(1'000'000, 1'010'000 + 10));
  CHECK(admission.admits(1'000'000, 1'010'000 + 20));
}

void admission_takes_for_capacity_what_batches_of_half_the_objective_do() {
  for (const uint64_t objective_us : {uint64_t{0}, uint64_t{20'000}}) {
    Admission admission;
    for (uint64_t turn = 1; turn <= 1000; ++turn) {
      for (int i = 0; i < 20; ++i) admission.admits(turn * 1000, ~uint64_t{0});  // 20 a millisecond
      admission.begin(turn * 1000, 1, objective_us);
    }
    // A batch of 400 in 16 ms is 25 a millisecond, and one of 100 in 10 ms is 10 a millisecond.
    admission.add(1'000'000, 400, takes(8'000, 20), 0.05);
    admission.end();
    CHECK(admission.answered_by(1'000'000, 1'000'000 + 8'100) == (objective_us == 0 ? 2 : 0));
  }
}

void admission_under_overload_is_as_cautious_as_predictions_are_wrong() {
  for (const bool is_overloaded : {false, true}) {
    Admission admission;
    for (uint64_t turn = 1; turn <= 1000; ++turn) {
      for (int i = 0; i < (is_overloaded ? 5 : 1); ++i) admission.admits(turn * 1000, 0);
      admission.begin(turn * 1000, 1);
    }
    admission.add(1'000'000, 2, takes(1000, 0), 0.05);  // two a millisecond
    admission.end();
    CHECK(admission.answered_by(1'000'000, 1'001'000) == (is_overloaded ? 0 : 2));
    CHECK(admission.answered_by(1'000'000, 1'001'199) == (is_overloaded ? 0 : 2));
    CHECK(admission.answered_by(1'000'000, 1'001'200) == 2);
  }
}

void admission_saturates() {
  Admission admission;
  admission.begin(0, ~uint64_t{0} / 2);
  admission.add(~uint64_t{0} - 1, 1, takes(uint64_t{1} << 62, 1e18), 1.0);
  admission.end();
  CHECK(!admission.admits(0, ~uint64_t{0} - 1) && !admission.admits(0, 0));
}

void stretch_is_the_ninety_ninth_percentile() {
  StretchQuantile stretch;
  for (int i = 0; i < 19; ++i) stretch.record(1000, 1000);
  CHECK(stretch.p99() == 0.0);  // too little seen
  stretch.record(1000, 1000);
  CHECK(stretch.p99() > 1.0 && stretch.p99() <= 1.2);
  stretch.record(1000, 0);  // predicted by nobody
  for (int i = 0; i < 1000; ++i) stretch.record(i % 200 == 0 ? 50'000 : 1000, 1000);
  CHECK(stretch.p99() <= 1.2);  // half a percent is beyond it
  for (int i = 0; i < 4000; ++i) stretch.record(i % 25 == 0 ? 50'000 : 1000, 1000);
  CHECK(stretch.p99() >= 50.0 && stretch.p99() <= 62.0);
  for (int i = 0; i < 20'000; ++i) stretch.record(1000, 1000);
  CHECK(stretch.p99() <= 1.2);  // forgotten
  for (int i = 0; i < 300; ++i) stretch.record(~uint64_t{0}, 1);
  for (int i = 0; i < 300; ++i) stretch.record(0, ~uint64_t{0});
  CHECK(stretch.p99() > 100.0);
}

void budget_is_a_share_of_the_work() {
  std::mt19937 random(1);
  HedgeBudget budget;
  uint64_t sent = 0, hedged = 0;
  for (int i = 0; i < 10'000; ++i) {
    const uint64_t tasks = 1 + random() % 64;
    budget.earn(tasks, 0.03);
    sent += tasks;
    if (random() % 10 == 0) {
      const uint64_t spent = budget.affordable();
      budget.spend(spent);
      hedged += spent;
    }
    CHECK(static_cast<double>(hedged) <= 0.03 * static_cast<double>(sent));
  }
  CHECK(hedged > 0);
  for (int i = 0; i < 1'000'000; ++i) budget.earn(64, 0.03);
  CHECK(budget.affordable() == 4 * 64);  // a quiet time saves four batches, not more
}

void peak_forgets() {
  RecentPeak peak;
  CHECK(peak.look(7, 1'000'000) == 7);
  CHECK(peak.look(3, 1'099'999) == 7);
  CHECK(peak.look(3, 1'199'998) == 7);
  CHECK(peak.look(2, 1'299'999) == 3);
  CHECK(peak.look(1, 9'000'000) == 1);
}

void table_keeps_its_order_and_finds_by_id() {
  InFlightTable table;
  CHECK(table.empty() && table.has_room() && table.find(1) == nullptr);
  table.begin(1, 100).slots = {1, 2, 3};
  CHECK(!table.front().was_ahead);
  table.begin(2, 200).slots = {4};
  CHECK(!table.has_room() && table.at(1).was_ahead && table.item_count() == 4);
  table.end(table.find(2));
  CHECK(table.size() == 1 && table.front().id == 1);
  table.begin(3, 300).slots = {5, 6};
  table.end(table.find(1));
  CHECK(table.size() == 1 && table.front().id == 3 && table.front().slots.size() == 2 && table.find(1) == nullptr);
  CHECK(table.begin(4, 400).slots.empty());
}

void twin_takes_away_what_it_answers() {
  std::mt19937 random(2);
  for (int round = 0; round < 2000; ++round) {
    std::vector<uint32_t> batch, part;
    for (uint32_t slot = 0; slot < random() % 20; ++slot) {
      batch.push_back(slot);
      if (random() % 2 == 0) part.push_back(slot);
    }
    std::vector<uint32_t> left = batch;
    take_away(left, part);
    for (size_t i = 0; i < batch.size(); ++i) {
      bool is_in_part = false;
      for (const uint32_t slot : part) is_in_part = is_in_part || slot == batch[i];
      CHECK(left[i] == (is_in_part ? kAnswered : batch[i]));
    }
    std::vector<uint32_t> none = part;
    take_away(none, batch);
    for (const uint32_t slot : none) CHECK(slot == kAnswered);
  }
}

}  // namespace

int main() {
  admission_knows_nothing_and_admits();
  admission_counts_what_is_ahead();
  admission_counts_on_every_replica();
  admission_under_overload_expects_the_batch_to_fill_at_the_measured_rate();
  admission_without_overload_expects_nobody_else();
  admission_takes_for_capacity_what_batches_of_half_the_objective_do();
  admission_under_overload_is_as_cautious_as_predictions_are_wrong();
  admission_saturates();
  stretch_is_the_ninety_ninth_percentile();
  budget_is_a_share_of_the_work();
  peak_forgets();
  table_keeps_its_order_and_finds_by_id();
  twin_takes_away_what_it_answers();
  return check::result();
}
