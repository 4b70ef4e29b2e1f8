// What a worker counts about its applications and model versions: plain integers and histograms, written on the loop
// thread with no Python object per query, read when somebody asks for /metrics.
//
// The names, units and help texts under which they are published stand in clipper/metrics/names.py; the enums below
// are in the order of its REASONS and STAGES tuples (a test holds them together).
#pragma once
#include <cstdint>

#include "histogram.hpp"

namespace clipper {

// Why a query was answered with its default output, or with an error where the application chose errors.
enum class MissReason : uint8_t {
  Deadline = 0,     // the deadline passed, or early drop saw that it would
  Refused = 1,      // admission or a full queue
  Unavailable = 2,  // no linked model, or no ready replica
  ModelError = 3,   // the model raised, or its output could not be used
  LowConfidence = 4,  // there was an output, with less confidence than the plan asks for
};
constexpr uint32_t kMissReasons = 5;

// What of an ensemble stands in a prediction. That of a model asked alone is Complete.
enum class AnswerKind : uint8_t {
  Complete = 0,  // every member's output
  Decided = 1,   // enough of them: those that were not in yet could change nothing
  Partial = 2,   // what came, by the deadline or at all: some are missing that might have changed it
};
constexpr uint32_t kAnswerKinds = 3;

// The stretches of a query's journey, in order. Parse, Queue and Gather are counted per query, the rest per batch.
enum class Stage : uint8_t {
  Parse = 0,      // first byte read -> input parsed
  Queue = 1,      // queued -> popped into a batch
  BatchWait = 2,  // a task and a free replica were both there -> handed to the RPC: what batching itself costs
  Rpc = 3,        // handed to the RPC -> result read, less Compute
  Compute = 4,    // inside predict_batch, as the container measured it
  Gather = 5,     // result read -> response written
};
constexpr uint32_t kStages = 6;

struct ApplicationCounters {
  uint64_t queries = 0;                  // inputs, so a batch form of 8 counts 8
  uint64_t predictions[kAnswerKinds] = {};   // answered by models
  uint64_t defaults[kMissReasons] = {};  // answered with the default output
  uint64_t errors[kMissReasons] = {};    // answered with an error (on_miss = "error")
  uint64_t selection_failures = 0;       // drawn at random, because the policy could not select by their features
  uint64_t late = 0;                     // answered, not by default, after the deadline
  Histogram latency_us;                  // arrival -> response written, every answer

  void count_prediction(AnswerKind kind) noexcept { ++predictions[static_cast<uint8_t>(kind)]; }
  void count_default(MissReason reason) noexcept { ++defaults[static_cast<uint8_t>(reason)]; }
  void count_error(MissReason reason) noexcept { ++errors[static_cast<uint8_t>(reason)]; }
};

struct ModelCounters {
  uint64_t tasks = 0;        // predict tasks queued for this version
  uint64_t batches = 0;      // batches sent
  uint64_t early_drops = 0;  // tasks answered at pop because they could not finish in time
  uint64_t requeues = 0;     // tasks put back because their replica was lost
  uint64_t failures = 0;     // tasks whose evaluation failed in the model
  uint64_t missing = 0;      // predictions of ensembles without this version's output
  uint64_t not_admitted = 0; // tasks refused because they were predicted to be late
  uint64_t sent_ahead = 0;   // batches sent while their replica had one in service
  uint64_t hedges = 0;       // batches sent a second time, because the first one was stuck
  uint64_t hedged_tasks = 0; // tasks in those
  uint64_t shadow_tasks = 0;     // queries that it saw as a shadow
  uint64_t shadow_refusals = 0;  // queries that it would have seen, had there been room
  uint64_t hedge_wins = 0;   // of those batches, how many were answered before the first one
  Histogram batch_size;
  Histogram stage_us[kStages];

  void record_stage(Stage stage, uint64_t duration_us, uint64_t times = 1) noexcept {
    stage_us[static_cast<uint8_t>(stage)].record(duration_us, times);
  }
};

}  // namespace clipper
