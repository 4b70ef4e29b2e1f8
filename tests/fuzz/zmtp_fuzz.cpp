// The frontend's end of a Unix socket: the same bytes whole and in pieces must give the same messages and commands, no
// view may reach beyond what has come, and what is needed must never be what is there already.
#include <string>
#include <vector>

#include "fuzz_target.hpp"
#include "zmtp.hpp"

namespace {

using namespace clipper;

constexpr ZmtpLimits kLimits{1u << 16, 7};

struct Transcript {
  std::string text;  // what was read, in a form that can be compared
  std::string error;
  size_t taken = 0;  // of the bytes; the rest is the beginning of something
};

// Reads as `UnixPeer.take` does, from a buffer of exactly what has come.
Transcript read_all(const fuzz::Exact& bytes) {
  Transcript out;
  std::vector<FrameView> frames;
  int step = 0;
  while (out.taken < bytes.size()) {
    const char* const at = bytes.data() + out.taken;
    const size_t left = bytes.size() - out.taken;
    const ZmtpUnit unit = step == 0 ? zmtp_read_greeting(at, left) : zmtp_read(at, left, kLimits, frames);
    if (unit.status == ZmtpStatus::Bad) {
      out.error = unit.error;
      EXPECT(!out.error.empty());
      return out;
    }
    if (unit.status == ZmtpStatus::NeedMore) {
      EXPECT(unit.needed > left && unit.needed <= kLimits.max_message_bytes + kZmtpMaxFrameHead);
      return out;
    }
    EXPECT(unit.end > 0 && unit.end <= left);
    for (const FrameView& frame : frames) EXPECT(frame.data >= at && frame.data + frame.bytes <= at + unit.end);
    EXPECT(frames.size() <= kLimits.max_frames && (!unit.too_many_frames || frames.size() == kLimits.max_frames));
    if (unit.status == ZmtpStatus::Command && step > 0) {
      EXPECT(frames.size() == 1);
      const fuzz::Exact body(frames[0].data, frames[0].bytes);
      const FrameView command{body.data(), body.size()};
      out.text += std::string("command ") + zmtp_check_ready(command);
      const std::string answer = zmtp_answer(command);
      if (!answer.empty()) {
        std::vector<FrameView> echoed;
        EXPECT(zmtp_read(answer.data(), answer.size(), {kZmtpMaxCommandBytes, 1}, echoed).end == answer.size());
      }
    }
    for (const FrameView& frame : frames) out.text.append(frame.data, frame.bytes).push_back('|');
    out.taken += unit.end;
    ++step;
  }
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t bytes) {
  fuzz::Input input(data, bytes);
  const uint8_t choice = input.byte();
  std::string stream;
  if ((choice & 1) == 0) stream = zmtp_greeting();  // most inputs are about what follows the greeting
  stream += input.rest();
  const Transcript whole = read_all(fuzz::Exact(stream));
  // In pieces: what has been taken is never read again, the rest is looked at anew each time.
  std::string kept, text;
  const size_t step = 1 + (choice >> 1) % 64;
  bool is_first = true;
  std::vector<FrameView> frames;
  std::string error;
  for (size_t at = 0; at < stream.size() && error.empty() && stream.size() < 4096; at += step) {
    kept += stream.substr(at, step);
    for (;;) {
      const fuzz::Exact part(kept);
      const ZmtpUnit unit = is_first ? zmtp_read_greeting(part.data(), part.size())
                                     : zmtp_read(part.data(), part.size(), kLimits, frames);
      if (unit.status == ZmtpStatus::Bad) error = unit.error;
      if (unit.status == ZmtpStatus::Bad || unit.status == ZmtpStatus::NeedMore) break;
      if (unit.status == ZmtpStatus::Command && !is_first) text += std::string("command ") + zmtp_check_ready(frames[0]);
      for (const FrameView& frame : frames) text.append(frame.data, frame.bytes).push_back('|');
      kept.erase(0, unit.end);
      is_first = false;
      if (kept.empty()) break;
    }
  }
  if (stream.size() < 4096) EXPECT(text == whole.text && error == whole.error);
  return 0;
}
