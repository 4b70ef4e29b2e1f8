// What containers send: header, RESULT and ERROR. Bytes 0 and 1 are the size of the batch and how the frames are cut;
// every output that comes out must be one JSON value, and of a refused result nothing must be left.
#include <string>
#include <vector>

#include "fuzz_target.hpp"
#include "rpc_codec.hpp"

namespace {

using namespace clipper;

void check_cause(const std::vector<FrameView>& frames) {
  std::string cause;
  if (decode_cause(frames.data(), frames.size(), cause) != RpcStatus::Ok) return;
  EXPECT(cause.size() <= kRpcMaxCauseBytes && is_utf8(cause.data(), cause.size()));
  std::string quoted;
  append_json_string(quoted, cause.data(), cause.size());
  EXPECT(validate_json(quoted.data(), quoted.size()));
}

void check_result(const RpcHeader& header, const std::vector<FrameView>& frames, uint32_t expected_count) {
  std::vector<ItemResult> items;
  std::string cause;
  const RpcStatus status = decode_result(header, frames.data(), frames.size(), expected_count, items, cause);
  if (status != RpcStatus::Ok) {
    EXPECT(items.empty() && !cause.empty() && is_utf8(cause.data(), cause.size()));
    return;
  }
  EXPECT(items.size() == expected_count);
  for (const ItemResult& item : items) {
    EXPECT(item.output->references == 1 && is_utf8(item.output->text, item.output->bytes));
    EXPECT(validate_json(item.output->text, item.output->bytes));
  }
  release_items(items);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t bytes) {
  fuzz::Input input(data, bytes);
  const uint32_t expected_count = input.byte() % 16;
  const uint8_t cuts = input.byte();
  const fuzz::Exact head(input.take(kRpcHeaderBytes));
  RpcHeader header;
  const RpcStatus status = decode_header(head.data(), head.size(), header);
  EXPECT(rpc_status_text(status)[0] != '\0');
  if (status != RpcStatus::Ok && head.size() == kRpcHeaderBytes) {
    header = RpcHeader{};  // what is behind a header that is refused is never looked at; here it is, as a RESULT
    header.type = kRpcResult;
    header.dtype = static_cast<uint8_t>(cuts % 16);
    header.flags = static_cast<uint16_t>(head.data()[8] & (kRpcFailedItems | kRpcRagged | kRpcVector));
    header.item_count = expected_count;
    header.elements_per_item = static_cast<uint8_t>(head.data()[24]);
  } else if (status == RpcStatus::Ok) {
    char again[kRpcHeaderBytes];
    encode_header(header, again);
    RpcHeader decoded;
    EXPECT(decode_header(again, sizeof again, decoded) == RpcStatus::Ok);
    EXPECT(decoded.type == header.type && decoded.batch_id == header.batch_id && decoded.flags == header.flags);
  }
  // Status and offsets frames have the lengths that the count asks for, unless the input wants it otherwise.
  std::vector<fuzz::Exact> copies;
  copies.reserve(3);
  if ((header.flags & kRpcFailedItems) != 0) copies.emplace_back(input.take(expected_count + (cuts >> 6)));
  if ((header.flags & kRpcRagged) != 0) copies.emplace_back(input.take((expected_count + size_t{1}) * 8 + (cuts >> 5 & 1)));
  copies.emplace_back(input.rest());
  std::vector<FrameView> frames;
  for (const fuzz::Exact& copy : copies) frames.push_back({copy.data(), copy.size()});
  check_result(header, frames, expected_count);
  check_cause({frames.back()});
  return 0;
}
