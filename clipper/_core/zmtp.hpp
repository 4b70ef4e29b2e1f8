// ZMTP 3.0 (ZeroMQ RFC 23) as the frontend's end of a Unix socket speaks it: the greeting, the NULL handshake, frames.
//
// Bytes in, views out; no I/O, no clock, no memory of its own. What is incomplete is read again from its beginning when
// more has come, and `needed` says how much that must be at least, so that a long message is not scanned at each piece.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "rpc_codec.hpp"

namespace clipper {

constexpr size_t kZmtpGreetingBytes = 64;
constexpr size_t kZmtpMechanismAt = 12, kZmtpMechanismBytes = 20;
constexpr uint8_t kZmtpMore = 1, kZmtpLong = 2, kZmtpCommand = 4;  // frame flags; the other bits are zero
constexpr size_t kZmtpMaxFrameHead = 9;
constexpr uint64_t kZmtpMaxCommandBytes = 4096;  // a READY with its metadata; ours is 27 bytes, libzmq's below 300
constexpr uint32_t kZmtpMaxFrames = 1024;        // of a message, the dropped ones included: then the connection is

enum class ZmtpStatus : uint8_t { NeedMore, Message, Command, Bad };

struct ZmtpLimits {
  uint64_t max_message_bytes;  // all frames of a message with their heads
  uint32_t max_frames;         // kept of a message; more are read to the message's end and only noted
};

struct ZmtpUnit {
  ZmtpStatus status = ZmtpStatus::NeedMore;
  uint64_t end = 0;              // Message, Command: the bytes it took
  uint64_t needed = 0;           // NeedMore: no use in looking again before so many are there
  bool too_many_frames = false;  // Message: `frames` holds the first ones
  const char* error = "";        // Bad
};

inline std::string zmtp_greeting() {
  std::string greeting(kZmtpGreetingBytes, '\0');
  greeting[0] = '\xff';
  greeting[9] = '\x7f';
  greeting[10] = 3;
  greeting.replace(kZmtpMechanismAt, 4, "NULL");
  return greeting;
}

// Checks as much of a greeting as is there: what does not speak ZMTP is known by its first byte.
inline ZmtpUnit zmtp_read_greeting(const char* data, uint64_t size) {
  const auto* bytes = reinterpret_cast<const unsigned char*>(data);
  ZmtpUnit unit;
  unit.needed = kZmtpGreetingBytes;
  auto refuse = [&unit](const char* error) {
    unit.status = ZmtpStatus::Bad;
    unit.error = error;
    return unit;
  };
  if (size > 0 && bytes[0] != 0xff) return refuse("it does not speak ZMTP");
  if (size > 9 && bytes[9] != 0x7f) return refuse("it does not speak ZMTP 3");
  if (size > 10 && bytes[10] < 3) return refuse("it speaks a ZMTP older than 3.0");
  if (size < kZmtpGreetingBytes) return unit;
  char mechanism[kZmtpMechanismBytes] = {'N', 'U', 'L', 'L'};
  if (std::memcmp(data + kZmtpMechanismAt, mechanism, sizeof mechanism) != 0)
    return refuse("it wants a security mechanism; a Unix socket is guarded by its permissions and takes NULL alone");
  unit.status = ZmtpStatus::Command;
  unit.end = kZmtpGreetingBytes;
  return unit;
}

inline void zmtp_append_frame_head(std::string& out, uint8_t flags, uint64_t body_bytes) {
  if (body_bytes < 256) {
    out.push_back(static_cast<char>(flags));
    out.push_back(static_cast<char>(body_bytes));
    return;
  }
  out.push_back(static_cast<char>(flags | kZmtpLong));
  for (int shift = 56; shift >= 0; shift -= 8) out.push_back(static_cast<char>(body_bytes >> shift));
}

inline void zmtp_append_command(std::string& out, std::string_view name, std::string_view body) {
  zmtp_append_frame_head(out, kZmtpCommand, 1 + name.size() + body.size());
  out.push_back(static_cast<char>(name.size()));
  out.append(name).append(body);
}

inline std::string zmtp_ready(std::string_view socket_type) {
  std::string body, out;
  for (std::string_view text : {std::string_view("Socket-Type"), socket_type}) {
    if (!body.empty()) body.append(3, '\0');  // the value's length is four bytes, the name's one
    body.push_back(static_cast<char>(text.size()));
    body.append(text);
  }
  zmtp_append_command(out, "READY", body);
  return out;
}

// Reads one whole message, or one command, at the beginning of `data`. The views in `frames` point into it.
inline ZmtpUnit zmtp_read(const char* data, uint64_t size, const ZmtpLimits& limits, std::vector<FrameView>& frames) {
  ZmtpUnit unit;
  auto refuse = [&unit](const char* error) {
    unit.status = ZmtpStatus::Bad;
    unit.error = error;
    return unit;
  };
  frames.clear();
  uint64_t at = 0;
  for (uint32_t count = 0;; ++count) {
    unit.needed = at + 2;
    if (size < unit.needed) return unit;
    const auto* head = reinterpret_cast<const unsigned char*>(data + at);
    const uint8_t flags = head[0];
    const bool is_command = (flags & kZmtpCommand) != 0;
    if ((flags & ~(kZmtpMore | kZmtpLong | kZmtpCommand)) != 0) return refuse("a frame has unknown flags");
    if (is_command && (count > 0 || (flags & kZmtpMore) != 0)) return refuse("a command stands within a message");
    uint64_t head_bytes = 2, body_bytes = head[1];
    if ((flags & kZmtpLong) != 0) {
      head_bytes = kZmtpMaxFrameHead;
      unit.needed = at + head_bytes;
      if (size < unit.needed) return unit;
      body_bytes = 0;
      for (int index = 1; index < 9; ++index) body_bytes = body_bytes << 8 | head[index];
    }
    const uint64_t limit = is_command ? kZmtpMaxCommandBytes : limits.max_message_bytes;
    if (body_bytes > limit || at + head_bytes + body_bytes > limit)
      return refuse(is_command ? "a command is too long" : "a message is too long");
    unit.needed = at + head_bytes + body_bytes;
    if (size < unit.needed) return unit;
    if (count == kZmtpMaxFrames) return refuse("a message has too many frames");
    if (frames.size() < limits.max_frames) {
      frames.push_back(FrameView{data + at + head_bytes, body_bytes});
    } else {
      unit.too_many_frames = true;
    }
    at = unit.needed;
    if (is_command || (flags & kZmtpMore) == 0) {
      unit.status = is_command ? ZmtpStatus::Command : ZmtpStatus::Message;
      unit.end = at;
      return unit;
    }
  }
}

inline std::string_view zmtp_command_name(const FrameView& command) {
  const auto* bytes = reinterpret_cast<const unsigned char*>(command.data);
  if (command.bytes == 0 || bytes[0] == 0 || command.bytes < 1u + bytes[0]) return {};
  return {command.data + 1, bytes[0]};
}

// Checks the peer's READY: a container is a DEALER. Empty, or why it is refused.
inline const char* zmtp_check_ready(const FrameView& command) {
  const std::string_view name = zmtp_command_name(command);
  if (name != "READY") return "its handshake does not begin with READY";
  const auto* bytes = reinterpret_cast<const unsigned char*>(command.data);
  uint64_t at = 1 + name.size();
  std::string_view socket_type;
  while (at < command.bytes) {
    const uint64_t key_bytes = bytes[at];
    if (key_bytes == 0 || command.bytes - at < 1 + key_bytes + 4) return "its READY is malformed";
    std::string key(command.data + at + 1, key_bytes);
    for (char& letter : key) letter = letter >= 'A' && letter <= 'Z' ? static_cast<char>(letter + 32) : letter;
    at += 1 + key_bytes;
    const uint64_t value_bytes = static_cast<uint64_t>(bytes[at]) << 24 | static_cast<uint64_t>(bytes[at + 1]) << 16 |
                                 static_cast<uint64_t>(bytes[at + 2]) << 8 | bytes[at + 3];
    at += 4;
    if (command.bytes - at < value_bytes) return "its READY is malformed";
    if (key == "socket-type") socket_type = {command.data + at, value_bytes};
    at += value_bytes;
  }
  return socket_type == "DEALER" ? "" : "it is no DEALER";
}

// A PING is answered with its context (RFC 37); empty for any other command, which is ignored.
inline std::string zmtp_answer(const FrameView& command) {
  constexpr uint64_t kNameBytes = 5, kTtlBytes = 2;
  std::string out;
  if (zmtp_command_name(command) != "PING" || command.bytes < kNameBytes + kTtlBytes) return out;
  constexpr uint64_t context_at = kNameBytes + kTtlBytes;
  zmtp_append_command(out, "PONG", {command.data + context_at, command.bytes - context_at});
  return out;
}

}  // namespace clipper
