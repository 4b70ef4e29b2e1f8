// The RPC codec on messages cut at every byte, mutated, and made of random bytes; each frame lies in a heap buffer of
// exactly its size, so that under AddressSanitizer one byte read beyond it ends the test. Plus answers known by heart.
#include "rpc_codec.hpp"

#include <memory>
#include <random>
#include <string>
#include <vector>

#include "check.hpp"

namespace {

using namespace clipper;

using Frames = std::vector<std::string>;

class ExactBuffers {
 public:
  explicit ExactBuffers(const Frames& frames) {
    for (const std::string& frame : frames) {
      buffers_.emplace_back(new char[frame.size()]);
      std::memcpy(buffers_.back().get(), frame.data(), frame.size());
      views_.push_back({buffers_.back().get(), frame.size()});
    }
  }
  const std::vector<FrameView>& views() const { return views_; }

 private:
  std::vector<std::unique_ptr<char[]>> buffers_;
  std::vector<FrameView> views_;
};

template <typename T>
std::string packed(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

RpcHeader result_header(DType dtype, uint16_t flags, uint32_t item_count, uint64_t elements) {
  RpcHeader header;
  header.type = kRpcResult;
  header.dtype = static_cast<uint8_t>(dtype);
  header.flags = flags;
  header.item_count = item_count;
  header.elements_per_item = elements;
  header.batch_id = 7;
  return header;
}

std::string encoded(const RpcHeader& header) {
  std::string frame(kRpcHeaderBytes, '\0');
  encode_header(header, frame.data());
  return frame;
}

// Decodes a whole message; the texts, failed ones with a leading '!'. Whatever was made is released.
RpcStatus decode(const Frames& frames, uint32_t expected_count, std::vector<std::string>* texts = nullptr) {
  const ExactBuffers buffers(frames);
  RpcHeader header;
  if (frames.empty()) return RpcStatus::ShortHeader;
  RpcStatus status = decode_header(buffers.views()[0].data, buffers.views()[0].bytes, header);
  if (status != RpcStatus::Ok) return status;
  std::vector<ItemResult> items;
  std::string cause;
  status = decode_result(header, buffers.views().data() + 1, frames.size() - 1, expected_count, items, cause);
  CHECK((status == RpcStatus::Ok) == cause.empty());
  CHECK(items.size() == (status == RpcStatus::Ok ? expected_count : 0));
  for (const ItemResult& item : items) {
    CHECK(validate_json(item.output->text, item.output->bytes));
    if (texts != nullptr) texts->push_back((item.failed ? "!" : "") + std::string(item.output->text, item.output->bytes));
  }
  release_items(items);
  std::string text;
  decode_cause(buffers.views().data() + 1, frames.size() - 1, text);
  CHECK(text.size() <= kRpcMaxCauseBytes && is_utf8(text.data(), text.size()));
  return status;
}

std::vector<Frames> good_messages() {
  const std::string texts = "7nanw\xC3\xA9x";
  return {
      {encoded(result_header(DType::Float64, 0, 2, 1)), packed<double>({1.5, -0.0})},
      {encoded(result_header(DType::Float32, kRpcVector, 2, 2)), packed<float>({0.1f, 2, 3, 1e30f})},
      {encoded(result_header(DType::Int32, kRpcVector | kRpcRagged, 2, 0)), packed<uint64_t>({0, 4, 4}), packed<int32_t>({-9})},
      {encoded(result_header(DType::Bool, kRpcFailedItems, 2, 1)), std::string("\0\1", 2), std::string("\1\0", 2)},
      {encoded(result_header(DType::String, kRpcRagged | kRpcFailedItems, 3, 0)), std::string("\0\0\1", 3),
       packed<uint64_t>({0, 1, 4, texts.size()}), texts},
      {encoded(result_header(DType::Json, kRpcRagged, 2, 0)), packed<uint64_t>({0, 2, 9}), "[]{\"a\":1}"},
  };
}

uint32_t count_of(const Frames& message) {
  RpcHeader header;
  CHECK(decode_header(message[0].data(), message[0].size(), header) == RpcStatus::Ok);
  return header.item_count;
}

void test_known_answers() {
  const std::vector<std::vector<std::string>> expected = {
      {"1.5", "-0.0"}, {"[0.1,2.0]", "[3.0,1e+30]"}, {"[-9]", "[]"},
      {"true", "!\"the model marked this item as failed\""},
      {"7", "\"nan\"", "!\"w\xC3\xA9x\""}, {"[]", "{\"a\":1}"},
  };
  const std::vector<Frames> messages = good_messages();
  for (size_t i = 0; i < messages.size(); ++i) {
    std::vector<std::string> texts;
    CHECK(decode(messages[i], count_of(messages[i]), &texts) == RpcStatus::Ok);
    CHECK(texts == expected[i]);
    CHECK(decode(messages[i], count_of(messages[i]) + 1) == RpcStatus::BadCount);
  }
}

void test_cut_at_every_byte() {
  for (const Frames& message : good_messages()) {
    for (size_t which = 0; which < message.size(); ++which) {
      for (size_t cut = 0; cut < message[which].size(); ++cut) {
        Frames shorter = message;
        shorter[which].resize(cut);
        CHECK(decode(shorter, count_of(message)) != RpcStatus::Ok);
      }
    }
    for (size_t kept = 0; kept < message.size(); ++kept) {
      CHECK(decode({message.begin(), message.begin() + kept}, count_of(message)) != RpcStatus::Ok);
    }
  }
}

void test_mutations_and_random_bytes(std::mt19937_64& random) {
  const std::vector<Frames> messages = good_messages();
  for (int round = 0; round < 200000; ++round) {
    Frames message = messages[random() % messages.size()];
    const uint32_t count = count_of(message);
    for (uint64_t changes = random() % 4 + 1; changes > 0; --changes) {
      std::string& frame = message[random() % message.size()];
      if (!frame.empty()) frame[random() % frame.size()] = static_cast<char>(random());
    }
    decode(message, count);
  }
  for (int round = 0; round < 50000; ++round) {
    Frames message;
    for (uint64_t frames = random() % 5; frames > 0; --frames) {
      std::string frame(random() % 70, '\0');
      for (char& c : frame) c = static_cast<char>(random());
      message.push_back(frame);
    }
    decode(message, static_cast<uint32_t>(random() % 5));
  }
}

void test_counts_that_overflow() {
  for (const uint64_t elements : {uint64_t{1} << 61, uint64_t{1} << 63, ~uint64_t{0}}) {
    CHECK(decode({encoded(result_header(DType::Float64, kRpcVector, 4, elements)), ""}, 4) == RpcStatus::BadLength);
  }
  CHECK(decode({encoded(result_header(DType::Float64, 0, kRpcMaxItems + 1, 1)), ""}, 4) == RpcStatus::BadCount);
}

void test_predict_layout() {
  InputSpec spec;
  PredictLayout layout;
  const uint64_t uniform[] = {16, 16}, ragged[] = {16, 8};
  lay_out_predict(spec, uniform, 2, 9, 500, layout);
  CHECK(layout.offsets.empty() && layout.payload_bytes == 32 && layout.header.elements_per_item == 2);
  CHECK(layout.header.type == kRpcPredict && layout.header.batch_id == 9 && layout.header.budget_us == 500);
  lay_out_predict(spec, ragged, 2, 10, 0, layout);
  CHECK((layout.offsets == std::vector<uint64_t>{0, 16, 24}) && layout.header.flags == kRpcRagged);
  spec.dtype = DType::String;
  lay_out_predict(spec, uniform, 1, 11, 0, layout);
  CHECK((layout.offsets == std::vector<uint64_t>{0, 16}) && layout.header.elements_per_item == 0);
}

}  // namespace

int main() {
  std::mt19937_64 random(20240601);
  test_known_answers();
  test_cut_at_every_byte();
  test_mutations_and_random_bytes(random);
  test_counts_that_overflow();
  test_predict_layout();
  return check::result();
}
