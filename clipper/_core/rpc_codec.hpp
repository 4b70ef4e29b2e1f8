// Batches on the wire, the frontend's side: lay out a PREDICT, decode a RESULT into Outputs, read the text of an ERROR.
// The schema is rpc_schema.hpp; the oracle is model_containers/{codec,results}.py. Nothing that a peer sends is trusted:
// every length and offset is checked, in the order of RpcStatus, before it is used. No function needs the GIL.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "input_spec.hpp"
#include "json_scan.hpp"
#include "json_write.hpp"
#include "output.hpp"
#include "rpc_schema.hpp"
#include "utf8.hpp"

namespace clipper {

struct FrameView {  // borrowed: valid as long as the message it views
  const char* data;
  size_t bytes;
};

struct ItemResult {
  Output* output;  // one reference, the receiver's; of a failed item: its cause as a JSON string
  bool failed;
};

inline bool is_text(DType dtype) noexcept {
  return dtype == DType::Bytes || dtype == DType::String || dtype == DType::Json;
}

inline bool is_utf8(const char* text, size_t bytes) noexcept { return find_invalid_utf8(text, text + bytes) == nullptr; }

inline uint64_t load_u64(const char* at) noexcept {  // frames have no alignment
  uint64_t value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

// -- PREDICT ------------------------------------------------------------------------------------------------------

struct PredictLayout {  // reused for every batch: keeps its capacity
  RpcHeader header;
  std::vector<uint64_t> offsets;  // the offsets frame; empty unless header.flags has RAGGED
  uint64_t payload_bytes = 0;
};

// Decides the frames of one PREDICT: header, the shape (spec.shape as it stands) if SHAPED, offsets if RAGGED, then the
// items back to back. Items of one length need no offsets; strings and bytes always carry them.
inline void lay_out_predict(const InputSpec& spec, const uint64_t* item_bytes, uint32_t item_count, uint64_t batch_id,
                            uint64_t budget_us, PredictLayout& layout) {
  bool ragged = is_text(spec.dtype);
  uint64_t total = 0;
  for (uint32_t i = 0; i < item_count; ++i) {
    total += item_bytes[i];
    ragged = ragged || item_bytes[i] != item_bytes[0];
  }
  layout.offsets.clear();
  if (ragged) {
    layout.offsets.reserve(item_count + size_t{1});
    uint64_t offset = 0;
    layout.offsets.push_back(0);
    for (uint32_t i = 0; i < item_count; ++i) layout.offsets.push_back(offset += item_bytes[i]);
  }
  layout.payload_bytes = total;
  layout.header = RpcHeader{};
  layout.header.type = kRpcPredict;
  layout.header.dtype = static_cast<uint8_t>(spec.dtype);
  layout.header.flags = static_cast<uint16_t>((spec.type == InputType::Tensor ? kRpcShaped : 0) | (ragged ? kRpcRagged : 0));
  layout.header.item_count = item_count;
  layout.header.batch_id = batch_id;
  layout.header.elements_per_item = ragged || item_count == 0 ? 0 : item_bytes[0] / dtype_bytes(spec.dtype);
  layout.header.budget_us = budget_us;
}

// -- ERROR --------------------------------------------------------------------------------------------------------

// Reads the cause of an ERROR (the frames after the header): cut to kRpcMaxCauseBytes; '?' for bytes that are not ASCII
// where the whole is not UTF-8, so that the text can stand in a JSON string whatever the peer sent.
inline RpcStatus decode_cause(const FrameView* frames, size_t frame_count, std::string& cause) {
  cause.clear();
  if (frame_count != 1) return RpcStatus::BadFrames;
  size_t bytes = std::min<size_t>(frames[0].bytes, kRpcMaxCauseBytes);
  if (bytes < frames[0].bytes) while (bytes > 0 && (frames[0].data[bytes] & 0xC0) == 0x80) --bytes;
  cause.assign(frames[0].data, bytes);
  if (!is_utf8(cause.data(), cause.size())) {
    for (char& c : cause) if (static_cast<unsigned char>(c) >= 0x80) c = '?';
  }
  return RpcStatus::Ok;
}

// -- RESULT -------------------------------------------------------------------------------------------------------

namespace detail {

class ResultDecoder {
 public:
  ResultDecoder(const RpcHeader& header, const FrameView* frames, size_t frame_count, std::vector<ItemResult>& items,
                std::string& cause) noexcept
      : header_(header), dtype_(static_cast<DType>(header.dtype)), frames_(frames), frame_count_(frame_count),
        items_(items), cause_(cause), ragged_((header.flags & kRpcRagged) != 0),
        vector_((header.flags & kRpcVector) != 0) {}

  RpcStatus run(uint32_t expected_count) {
    if (header_.type != kRpcResult) return refuse(RpcStatus::BadType, header_.type, kRpcResult);
    if (dtype_ == DType::None || dtype_ == DType::Float16 || dtype_ == DType::Bytes || dtype_ > DType::Json)
      return refuse(RpcStatus::BadDtype, header_.dtype, 0);
    const bool text = is_text(dtype_);
    if ((text && (vector_ || !ragged_)) || (!text && ragged_ && !vector_))
      return refuse(RpcStatus::BadFlags, header_.flags, 0);
    if (header_.item_count != expected_count) return refuse(RpcStatus::BadCount, header_.item_count, expected_count);
    const bool has_status = (header_.flags & kRpcFailedItems) != 0;
    const size_t expected_frames = size_t{1} + ragged_ + has_status;
    if (frame_count_ != expected_frames) return refuse(RpcStatus::BadFrames, frame_count_, expected_frames);
    payload_ = frames_[frame_count_ - 1];
    if (has_status) {
      if (frames_[0].bytes != header_.item_count) return refuse(RpcStatus::BadLength, frames_[0].bytes, header_.item_count);
      failed_ = frames_[0].data;
    }
    const RpcStatus status = ragged_ ? check_offsets() : check_uniform();
    if (status != RpcStatus::Ok) return status;
    items_.reserve(header_.item_count);
    switch (dtype_) {
      case DType::Int8: return elements<int8_t>();
      case DType::UInt8: return elements<uint8_t>();
      case DType::Int16: return elements<int16_t>();
      case DType::UInt16: return elements<uint16_t>();
      case DType::Int32: return elements<int32_t>();
      case DType::UInt32: return elements<uint32_t>();
      case DType::Int64: return elements<int64_t>();
      case DType::UInt64: return elements<uint64_t>();
      case DType::Float32: return elements<float>();
      case DType::Float64: return elements<double>();
      case DType::Bool: return elements<bool>();
      default: return texts();
    }
  }

 private:
  RpcStatus refuse(RpcStatus status, uint64_t found, uint64_t expected) {
    cause_.assign(rpc_status_text(status));
    cause_.append(" (found ").append(std::to_string(found));
    if (expected != 0) cause_.append(", expected ").append(std::to_string(expected));
    cause_.push_back(')');
    return status;
  }

  RpcStatus check_offsets() {
    const FrameView frame = frames_[frame_count_ - 2];
    const uint64_t count = uint64_t{header_.item_count} + 1;
    if (frame.bytes != count * sizeof(uint64_t)) return refuse(RpcStatus::BadOffsets, frame.bytes, count * sizeof(uint64_t));
    offsets_ = frame.data;
    uint64_t previous = 0;
    for (uint64_t i = 0; i < count; ++i) {
      const uint64_t offset = load_u64(offsets_ + i * sizeof(uint64_t));
      if (offset < previous || (i == 0 && offset != 0) || offset % dtype_bytes(dtype_) != 0)
        return refuse(RpcStatus::BadOffsets, offset, previous);
      previous = offset;
    }
    return previous == payload_.bytes ? RpcStatus::Ok : refuse(RpcStatus::BadOffsets, previous, payload_.bytes);
  }

  RpcStatus check_uniform() {
    uint64_t total;
    const bool overflows = __builtin_mul_overflow(header_.elements_per_item, dtype_bytes(dtype_), &item_bytes_) ||
                           __builtin_mul_overflow(item_bytes_, header_.item_count, &total);
    if (overflows || total != payload_.bytes || (!vector_ && header_.elements_per_item != 1))
      return refuse(RpcStatus::BadLength, payload_.bytes, overflows ? 0 : total);
    return RpcStatus::Ok;
  }

  FrameView item(uint32_t index) const noexcept {
    if (offsets_ == nullptr) return {payload_.data + index * item_bytes_, item_bytes_};
    const uint64_t start = load_u64(offsets_ + index * sizeof(uint64_t));
    return {payload_.data + start, load_u64(offsets_ + (index + size_t{1}) * sizeof(uint64_t)) - start};
  }
  bool has_failed(uint32_t index) const noexcept { return failed_ != nullptr && failed_[index] != 0; }

  RpcStatus add(const char* text, size_t bytes, bool failed) {
    if (bytes > std::numeric_limits<uint32_t>::max()) return refuse(RpcStatus::BadLength, bytes, 0);
    items_.push_back({Output::create(text, static_cast<uint32_t>(bytes)), failed});
    return RpcStatus::Ok;
  }
  RpcStatus add_failed(const char* text, size_t bytes) {
    scratch_.clear();
    append_json_string(scratch_, text, bytes);
    return add(scratch_.data(), scratch_.size(), true);
  }
  RpcStatus add_failed(const char* text) { return add_failed(text, std::strlen(text)); }

  template <typename T>
  RpcStatus elements() {
    RpcStatus status = RpcStatus::Ok;
    for (uint32_t i = 0; i < header_.item_count && status == RpcStatus::Ok; ++i) {
      if (has_failed(i)) status = add_failed("the model marked this item as failed");
      else status = vector_ ? list<T>(item(i)) : scalar<T>(item(i).data);
    }
    return status;
  }

  template <typename T>
  static bool load(const char* at, T& value) noexcept {  // false: JSON cannot hold it
    if constexpr (std::is_same_v<T, bool>) {
      value = *at != 0;
    } else {
      std::memcpy(&value, at, sizeof value);
      if constexpr (std::is_floating_point_v<T>) return std::isfinite(value);
    }
    return true;
  }

  template <typename T>
  RpcStatus scalar(const char* at) {
    T value;
    if (!load(at, value)) return add_failed(kNotFinite);
    char text[kNumberBytes];
    return add(text, write_number(text, value) - text, false);
  }

  template <typename T>
  RpcStatus list(FrameView view) {
    scratch_.assign(1, '[');
    char text[kNumberBytes];
    for (size_t at = 0; at < view.bytes; at += sizeof(T)) {
      T value;
      if (!load(view.data + at, value)) return add_failed(kNotFinite);
      if (at != 0) scratch_.push_back(',');
      scratch_.append(text, write_number(text, value));
    }
    scratch_.push_back(']');
    return add(scratch_.data(), scratch_.size(), false);
  }

  RpcStatus texts() {
    RpcStatus status = RpcStatus::Ok;
    for (uint32_t i = 0; i < header_.item_count && status == RpcStatus::Ok; ++i) {
      const FrameView view = item(i);
      if (!is_utf8(view.data, view.bytes)) return refuse(RpcStatus::BadText, i, 0);
      if (has_failed(i)) {
        status = add_failed(view.data, view.bytes);
      } else if (validate_json(view.data, view.bytes)) {
        status = add(view.data, view.bytes, false);
      } else if (dtype_ == DType::Json) {
        return refuse(RpcStatus::BadJson, i, 0);
      } else {
        scratch_.clear();
        append_json_string(scratch_, view.data, view.bytes);
        status = add(scratch_.data(), scratch_.size(), false);
      }
    }
    return status;
  }

  static constexpr const char* kNotFinite = "the model returned NaN or infinity, which JSON cannot hold";

  const RpcHeader& header_;
  const DType dtype_;
  const FrameView* frames_;
  const size_t frame_count_;
  std::vector<ItemResult>& items_;
  std::string& cause_;
  const bool ragged_, vector_;
  FrameView payload_{nullptr, 0};
  const char* failed_ = nullptr;   // one byte an item, or nullptr: none failed
  const char* offsets_ = nullptr;  // little-endian u64, unaligned, or nullptr: uniform
  uint64_t item_bytes_ = 0;        // of a uniform payload
  std::string scratch_;
};

}  // namespace detail

inline void release_items(std::vector<ItemResult>& items) noexcept {
  for (ItemResult& item : items) item.output->release();
  items.clear();
}

// Decodes the frames after the header of a RESULT into one Output per item. The caller gets the references; on any
// status but Ok, and on an exception (std::bad_alloc), `items` is left empty and `cause` says what was found.
inline RpcStatus decode_result(const RpcHeader& header, const FrameView* frames, size_t frame_count,
                               uint32_t expected_count, std::vector<ItemResult>& items, std::string& cause) {
  items.clear();
  cause.clear();
  RpcStatus status;
  try {
    status = detail::ResultDecoder(header, frames, frame_count, items, cause).run(expected_count);
  } catch (...) {
    release_items(items);
    throw;
  }
  if (status != RpcStatus::Ok) release_items(items);
  return status;
}

}  // namespace clipper
