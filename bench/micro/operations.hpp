// What the micro-benchmarks do with the parts of the core, so that those that count and those that time do the same.
#pragma once
#include <sys/mman.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "batch_queue.hpp"
#include "predict_body.hpp"
#include "prediction_cache.hpp"
#include "rpc_codec.hpp"

namespace bench {

using namespace clipper;

inline void expect(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "not so: %s\n", what);
  std::exit(1);
}

// -- codec ------------------------------------------------------------------------------------------------------------

// A PREDICT of `count` items: laid out and its header written, as before each batch is sent.
class PredictEncoder {
 public:
  PredictEncoder(InputSpec spec, uint32_t count, uint64_t item_bytes, bool ragged) : spec_(spec), bytes_(count, item_bytes) {
    if (ragged) for (uint32_t i = 0; i < count; ++i) bytes_[i] += i % 7 * 8;
  }
  void operator()() {
    lay_out_predict(spec_, bytes_.data(), static_cast<uint32_t>(bytes_.size()), ++batch_id_, 10000, layout_);
    encode_header(layout_.header, header_);
    expect(layout_.payload_bytes != 0, "a batch has a payload");
  }

 private:
  InputSpec spec_;
  std::vector<uint64_t> bytes_;
  PredictLayout layout_;
  char header_[kRpcHeaderBytes];
  uint64_t batch_id_ = 0;
};

template <typename T>
std::string packed(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

// A RESULT: header and frames, decoded into Outputs, as after each batch. `elements` > 1: a vector an item.
class ResultDecoding {
 public:
  template <typename T>
  static ResultDecoding of(DType dtype, uint32_t count, uint32_t elements, T first, T step) {
    std::vector<T> values;
    for (uint32_t i = 0; i < count * elements; ++i) values.push_back(static_cast<T>(first + static_cast<T>(i) * step));
    return {dtype, static_cast<uint16_t>(elements > 1 ? kRpcVector : 0), count, elements, {packed(values)}};
  }
  static ResultDecoding of_texts(DType dtype, uint32_t count, const std::string& text) {
    std::vector<uint64_t> offsets{0};
    std::string all;
    for (uint32_t i = 0; i < count; ++i) offsets.push_back((all += text).size());
    return {dtype, kRpcRagged, count, 0, {packed(offsets), all}};
  }
  void operator()() {
    RpcHeader header;
    expect(decode_header(header_, sizeof header_, header) == RpcStatus::Ok, "the header is good");
    views_.clear();
    for (const std::string& frame : frames_) views_.push_back({frame.data(), frame.size()});
    expect(decode_result(header, views_.data(), views_.size(), count_, items_, cause_) == RpcStatus::Ok, "the result is good");
    release_items(items_);
  }

 private:
  ResultDecoding(DType dtype, uint16_t flags, uint32_t count, uint64_t elements, std::vector<std::string> frames)
      : count_(count), frames_(std::move(frames)) {
    RpcHeader header;
    header.type = kRpcResult;
    header.dtype = static_cast<uint8_t>(dtype);
    header.flags = flags;
    header.item_count = count;
    header.elements_per_item = elements;
    header.batch_id = 7;
    encode_header(header, header_);
  }
  uint32_t count_;
  std::vector<std::string> frames_;
  char header_[kRpcHeaderBytes];
  std::vector<FrameView> views_;
  std::vector<ItemResult> items_;
  std::string cause_;
};

// -- body -------------------------------------------------------------------------------------------------------------

// {"input": [...]} of so many doubles of six decimals, parsed and checked.
class BodyParsing {
 public:
  explicit BodyParsing(uint32_t count) : spec_{InputType::Doubles, DType::Float64, count, {count}}, body_("{\"input\":[") {
    std::mt19937_64 random(1);
    char text[32];
    for (uint32_t i = 0; i < count; ++i) {
      std::snprintf(text, sizeof text, "0.%06u", static_cast<unsigned>(random() % 1000000));
      body_ += (i == 0 ? "" : ",") + std::string(text);
    }
    body_ += "]}";
  }
  void operator()() { expect(parse_json_body(body_.data(), body_.size(), spec_, limits_, parsed_), "the body is good"); }

 private:
  InputSpec spec_;
  std::string body_;
  BodyLimits limits_;
  ParsedBody parsed_;
};

// -- cache ------------------------------------------------------------------------------------------------------------

inline KeyedHash make_hash() {
  std::vector<unsigned char> seed(KeyedHash::kSeedBytes);
  for (size_t i = 0; i < seed.size(); ++i) seed[i] = static_cast<unsigned char>(37 * i + 11);
  return KeyedHash(seed.data());
}

// Inputs of 32 bytes at a cache that is full: either all of them resident, or none ever seen before.
class CacheLookup {
 public:
  static constexpr uint64_t kBudgetBytes = 256u << 10, kResident = 500;

  explicit CacheLookup(bool hits) : hits_(hits), hash_(make_hash()), cache_(kBudgetBytes) {
    for (uint64_t i = 0; i < (hits ? kResident : 20000); ++i) ask();
    if (hits) for (uint64_t i = 0; i < kResident; ++i) ask();
    expecting_ = true;
  }
  void operator()() { ask(); }

 private:
  void ask() {
    input_[0] = hits_ ? next_++ % kResident : next_++;
    const CacheKey key = hash_(1, 2, 4, input_, sizeof input_);
    const FetchResult found = cache_.fetch(key, 1, &output_, &slot_);
    if (expecting_) expect((found == FetchResult::Hit) == hits_, "the cache hits, or misses, as it should");
    if (found == FetchResult::Hit) return;
    cache_.begin(key, 1, 7);
    Output* fresh = Output::create("3", 1);
    cache_.put(key, fresh, 1, 0);
    fresh->release();
  }
  bool hits_, expecting_ = false;
  KeyedHash hash_;
  PredictionCache cache_;
  uint64_t input_[4] = {}, next_ = 0;
  Output* output_ = nullptr;
  uint32_t slot_ = 0;
};

// -- queue ------------------------------------------------------------------------------------------------------------

inline void* map_shared(size_t bytes) {
  void* memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) std::abort();
  return memory;
}

// A worker of a queue: `batch` tasks in, a batch claimed and completed (of whoever's tasks), its own answers drained.
class QueueWorker {
 public:
  QueueWorker(void* rings, const std::vector<SlotPool*>& pools, uint32_t worker, uint32_t batch)
      : pool_(*pools[worker]), queue_(rings, pools, worker, 1), batch_(batch) {}

  void turn() {
    for (uint32_t i = 0; i < batch_; ++i) {
      const int64_t slot = pool_.acquire(32);
      if (slot < 0) break;
      const uint32_t index = static_cast<uint32_t>(slot);
      pool_.set_deadlines(index, ++asked_, ~uint64_t{0} >> 1);
      if (!queue_.push(index, 20000)) {
        pool_.release(index);
        break;
      }
    }
    serve();
  }
  void serve() {
    queue_.pop_batch(batch_, 0, FinishEstimate{}, popped_, dropped_);
    for (SlotId slot : popped_) queue_.complete(slot, 1);
    done_.clear();
    pool_.drain_completed(done_);
    for (uint32_t slot : done_) pool_.release(slot);
    answered_ += done_.size();
  }
  uint64_t answered() const { return answered_; }
  bool idle() const { return pool_.in_use() == 0; }

 private:
  SlotPool& pool_;
  BatchQueue queue_;
  uint32_t batch_;
  uint64_t asked_ = 0, answered_ = 0;
  std::vector<SlotId> popped_, dropped_;
  std::vector<uint32_t> done_;
};

// The memory that workers share.
struct QueueWorld {
  static constexpr uint32_t kSlots = 4096;
  static constexpr uint64_t kArenaBytes = 1u << 20;

  explicit QueueWorld(uint32_t workers) : rings(map_shared(BatchQueue::bytes_needed(workers, kSlots))) {
    expect(BatchQueue::create(rings, workers, kSlots, 0), "so many workers are allowed");
    for (uint32_t worker = 0; worker < workers; ++worker) {
      pools.push_back(SlotPool::create(map_shared(SlotPool::bytes_needed(kSlots, kArenaBytes)), kSlots, kArenaBytes, worker));
    }
  }
  void* rings;
  std::vector<SlotPool*> pools;
};

}  // namespace bench
