// The wire schema between a frontend and a model container: model_containers/wire.py, which explains it, in C++.
// tests/source/test_wire_constants.py holds the two together. Field => bytes => meaning:
//
//   magic              4   "CLPR"
//   version            2   1
//   type               1   RpcType
//   dtype              1   DType of the payload's elements (input_spec.hpp)
//   flags              2   RpcFlag bits
//   code               2   RpcErrorCode of an ERROR
//   item_count         4   inputs of a PREDICT, outputs of a RESULT
//   batch_id           8   chosen by the frontend, repeated in the answer; 0 = about no batch
//   elements_per_item  8   elements of each item of a uniform payload; 0 with RAGGED
//   budget_us          8   PREDICT: time until the batch's earliest deadline when it was sent; 0 = none
//   compute_us         8   RESULT and ERROR: time that predict_batch took
//
// Little-endian, without padding. Everything below is derived; there is no literal offset in the codec.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace clipper {

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the codec copies little-endian fields as they are");

constexpr char kRpcMagic[4] = {'C', 'L', 'P', 'R'};
constexpr uint16_t kRpcVersion = 1;
constexpr uint32_t kRpcMaxItems = 1u << 20;
constexpr uint32_t kRpcMaxRank = 16;
constexpr uint32_t kRpcMaxCauseBytes = 1024;
constexpr uint32_t kRpcMaxRegisterBytes = 4096;

enum RpcType : uint8_t {
  kRpcRegister = 1, kRpcReady = 2, kRpcHeartbeat = 3, kRpcPredict = 4,
  kRpcResult = 5, kRpcError = 6, kRpcDrain = 7, kRpcAssign = 8,
};
enum RpcFlag : uint16_t {
  kRpcShaped = 1, kRpcFailedItems = 2, kRpcRagged = 4, kRpcVector = 8, kRpcFinal = 16,
};
enum RpcErrorCode : uint16_t {
  kRpcModelError = 1, kRpcBadRequest = 2, kRpcNotReady = 3, kRpcUnknownSession = 4,
  kRpcDuplicateReplica = 5, kRpcWrongVersion = 6, kRpcRefused = 7,
};
// Result of decoding, in the order in which the checks are made.
enum class RpcStatus : uint8_t {
  Ok = 0, ShortHeader, BadMagic, BadVersion, BadType, BadDtype, BadFlags, BadCount, BadFrames, BadShape, BadOffsets,
  BadLength, BadText, BadJson,
};

struct RpcHeader {
  uint16_t version = kRpcVersion;
  uint8_t type = 0;
  uint8_t dtype = 0;
  uint16_t flags = 0;
  uint16_t code = 0;
  uint32_t item_count = 0;
  uint64_t batch_id = 0;
  uint64_t elements_per_item = 0;
  uint64_t budget_us = 0;
  uint64_t compute_us = 0;
};

constexpr size_t kRpcMagicAt = 0;
constexpr size_t kRpcVersionAt = kRpcMagicAt + sizeof(kRpcMagic);
constexpr size_t kRpcTypeAt = kRpcVersionAt + sizeof(RpcHeader::version);
constexpr size_t kRpcDtypeAt = kRpcTypeAt + sizeof(RpcHeader::type);
constexpr size_t kRpcFlagsAt = kRpcDtypeAt + sizeof(RpcHeader::dtype);
constexpr size_t kRpcCodeAt = kRpcFlagsAt + sizeof(RpcHeader::flags);
constexpr size_t kRpcItemCountAt = kRpcCodeAt + sizeof(RpcHeader::code);
constexpr size_t kRpcBatchIdAt = kRpcItemCountAt + sizeof(RpcHeader::item_count);
constexpr size_t kRpcElementsAt = kRpcBatchIdAt + sizeof(RpcHeader::batch_id);
constexpr size_t kRpcBudgetAt = kRpcElementsAt + sizeof(RpcHeader::elements_per_item);
constexpr size_t kRpcComputeAt = kRpcBudgetAt + sizeof(RpcHeader::budget_us);
constexpr size_t kRpcHeaderBytes = kRpcComputeAt + sizeof(RpcHeader::compute_us);
constexpr size_t kRpcPrefixBytes = kRpcFlagsAt;  // magic, version, type, dtype: the same in every later version

// The flags that a message of this type may carry.
constexpr uint16_t rpc_allowed_flags(uint8_t type) noexcept {
  switch (type) {
    case kRpcPredict: return kRpcShaped | kRpcRagged;
    case kRpcResult: return kRpcFailedItems | kRpcRagged | kRpcVector;
    case kRpcDrain: return kRpcFinal;
    default: return 0;
  }
}

struct EncodedHeader { char bytes[kRpcHeaderBytes]; };

// Writes kRpcHeaderBytes bytes at `out`.
inline void encode_header(const RpcHeader& header, char* out) noexcept {
  std::memcpy(out + kRpcMagicAt, kRpcMagic, sizeof kRpcMagic);
  std::memcpy(out + kRpcVersionAt, &header.version, sizeof header.version);
  std::memcpy(out + kRpcTypeAt, &header.type, sizeof header.type);
  std::memcpy(out + kRpcDtypeAt, &header.dtype, sizeof header.dtype);
  std::memcpy(out + kRpcFlagsAt, &header.flags, sizeof header.flags);
  std::memcpy(out + kRpcCodeAt, &header.code, sizeof header.code);
  std::memcpy(out + kRpcItemCountAt, &header.item_count, sizeof header.item_count);
  std::memcpy(out + kRpcBatchIdAt, &header.batch_id, sizeof header.batch_id);
  std::memcpy(out + kRpcElementsAt, &header.elements_per_item, sizeof header.elements_per_item);
  std::memcpy(out + kRpcBudgetAt, &header.budget_us, sizeof header.budget_us);
  std::memcpy(out + kRpcComputeAt, &header.compute_us, sizeof header.compute_us);
}

// Reads and checks a header. With BadVersion the magic was right and header.version is the peer's: it can be told so.
inline RpcStatus decode_header(const char* data, size_t bytes, RpcHeader& header) noexcept {
  if (bytes < kRpcPrefixBytes) return RpcStatus::ShortHeader;
  if (std::memcmp(data + kRpcMagicAt, kRpcMagic, sizeof kRpcMagic) != 0) return RpcStatus::BadMagic;
  std::memcpy(&header.version, data + kRpcVersionAt, sizeof header.version);
  if (header.version != kRpcVersion) return RpcStatus::BadVersion;
  if (bytes != kRpcHeaderBytes) return RpcStatus::ShortHeader;
  std::memcpy(&header.type, data + kRpcTypeAt, sizeof header.type);
  std::memcpy(&header.dtype, data + kRpcDtypeAt, sizeof header.dtype);
  std::memcpy(&header.flags, data + kRpcFlagsAt, sizeof header.flags);
  std::memcpy(&header.code, data + kRpcCodeAt, sizeof header.code);
  std::memcpy(&header.item_count, data + kRpcItemCountAt, sizeof header.item_count);
  std::memcpy(&header.batch_id, data + kRpcBatchIdAt, sizeof header.batch_id);
  std::memcpy(&header.elements_per_item, data + kRpcElementsAt, sizeof header.elements_per_item);
  std::memcpy(&header.budget_us, data + kRpcBudgetAt, sizeof header.budget_us);
  std::memcpy(&header.compute_us, data + kRpcComputeAt, sizeof header.compute_us);
  if (header.type < kRpcRegister || header.type > kRpcAssign) return RpcStatus::BadType;
  if (header.dtype > 15) return RpcStatus::BadDtype;
  if ((header.flags & ~rpc_allowed_flags(header.type)) != 0) return RpcStatus::BadFlags;
  if (header.item_count > kRpcMaxItems) return RpcStatus::BadCount;
  return RpcStatus::Ok;
}

inline const char* rpc_status_text(RpcStatus status) noexcept {
  switch (status) {
    case RpcStatus::Ok: return "ok";
    case RpcStatus::ShortHeader: return "the header frame has the wrong length";
    case RpcStatus::BadMagic: return "the header does not start with CLPR";
    case RpcStatus::BadVersion: return "the peer speaks another version of the protocol";
    case RpcStatus::BadType: return "unknown or unexpected message type";
    case RpcStatus::BadDtype: return "unknown or unexpected dtype";
    case RpcStatus::BadFlags: return "flags that this message does not allow";
    case RpcStatus::BadCount: return "wrong number of items";
    case RpcStatus::BadFrames: return "wrong number of frames";
    case RpcStatus::BadShape: return "the shape does not fit the elements";
    case RpcStatus::BadOffsets: return "the offsets do not divide the payload";
    case RpcStatus::BadLength: return "a frame has the wrong length";
    case RpcStatus::BadText: return "a text is not UTF-8";
    case RpcStatus::BadJson: return "an output is not one JSON value";
  }
  return "unknown status";
}

}  // namespace clipper
