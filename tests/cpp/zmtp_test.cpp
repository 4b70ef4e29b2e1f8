// ZMTP: every message cut at every byte, mutated, and made of random bytes; what is looked at lies in a heap buffer of
// exactly its size, so that under AddressSanitizer one byte read beyond it ends the test.
// And writes that a socket takes in pieces.
#include "zmtp.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <random>
#include <string>
#include <vector>

#include "check.hpp"
#include "unix_write.hpp"

namespace {

using namespace clipper;

using Frames = std::vector<std::string>;
constexpr ZmtpLimits kLimits{1u << 20, 7};

std::string encoded(const Frames& frames) {
  std::string out;
  for (size_t index = 0; index < frames.size(); ++index) {
    zmtp_append_frame_head(out, index + 1 < frames.size() ? kZmtpMore : 0, frames[index].size());
    out += frames[index];
  }
  return out;
}

struct Exact {
  explicit Exact(const std::string& text) : data(new char[text.size()]), size(text.size()) {
    std::memcpy(data.get(), text.data(), size);
  }
  std::unique_ptr<char[]> data;
  size_t size;
};

Frames copied(const std::vector<FrameView>& views) {
  Frames frames;
  for (const FrameView& view : views) frames.emplace_back(view.data, view.bytes);
  return frames;
}

void message_cut_anywhere_is_incomplete_until_its_end() {
  const std::vector<Frames> messages = {{""}, {"a"}, {"head", "", std::string(255, 'x'), std::string(256, 'y')},
                                        {std::string(70'000, 'z')}, Frames(7, "f")};
  for (const Frames& message : messages) {
    const std::string text = encoded(message);
    const size_t step = text.size() > 1'000 ? 97 : 1;
    std::vector<FrameView> views;
    for (size_t cut = 0; cut < text.size(); cut += step) {
      const Exact part(text.substr(0, cut));
      const ZmtpUnit unit = zmtp_read(part.data.get(), part.size, kLimits, views);
      CHECK(unit.status == ZmtpStatus::NeedMore);
      CHECK(unit.needed > cut && unit.needed <= text.size());
    }
    const Exact whole(text + "next");
    const ZmtpUnit unit = zmtp_read(whole.data.get(), whole.size, kLimits, views);
    CHECK(unit.status == ZmtpStatus::Message && unit.end == text.size() && !unit.too_many_frames);
    CHECK(copied(views) == message);
  }
}

void limits_hold_at_their_edges() {
  std::vector<FrameView> views;
  auto status = [&views](const std::string& text) {
    const Exact exact(text);
    return zmtp_read(exact.data.get(), exact.size, kLimits, views);
  };
  CHECK(status(encoded({std::string(kLimits.max_message_bytes - 9, 'x')})).status == ZmtpStatus::Message);
  const std::string long_head = encoded({std::string(kLimits.max_message_bytes - 8, 'x')}).substr(0, 9);
  CHECK(status(long_head).status == ZmtpStatus::Bad);  // refused before its body is waited for
  CHECK(status("\x02\xff\xff\xff\xff\xff\xff\xff\xff").status == ZmtpStatus::Bad);
  CHECK(!status(encoded(Frames(7, "f"))).too_many_frames);
  CHECK(status(encoded(Frames(8, "f"))).too_many_frames && views.size() == 7);
  CHECK(status(encoded(Frames(kZmtpMaxFrames, ""))).status == ZmtpStatus::Message);
  CHECK(status(encoded(Frames(kZmtpMaxFrames + 1, ""))).status == ZmtpStatus::Bad);
  CHECK(status(std::string("\x08\0", 2)).status == ZmtpStatus::Bad);                     // unknown flag
  CHECK(status(std::string("\x05\0", 2)).status == ZmtpStatus::Bad);                     // a command with MORE
  CHECK(status(std::string("\x01\0\x04\0", 4)).status == ZmtpStatus::Bad);               // a command within a message
  CHECK(status(std::string("\x06\0\0\0\0\0\0\x10\x01", 9)).status == ZmtpStatus::Bad);   // a command of 4,097 bytes
}

void greeting_is_known_by_its_first_bytes() {
  const std::string greeting = zmtp_greeting();
  for (size_t cut = 0; cut <= greeting.size(); ++cut) {
    const Exact part(greeting.substr(0, cut));
    const ZmtpUnit unit = zmtp_read_greeting(part.data.get(), part.size);
    CHECK(unit.status == (cut == kZmtpGreetingBytes ? ZmtpStatus::Command : ZmtpStatus::NeedMore));
  }
  auto refused = [&greeting](size_t at, char value) {
    std::string text = greeting;
    text[at] = value;
    return zmtp_read_greeting(text.data(), text.size()).status == ZmtpStatus::Bad;
  };
  CHECK(refused(0, 'G'));
  CHECK(refused(9, 0));
  CHECK(refused(10, 2));
  CHECK(refused(kZmtpMechanismAt, 'C'));
  CHECK(refused(kZmtpMechanismAt + 4, 'X'));
}

FrameView body_of(const std::string& command, std::vector<FrameView>& views) {
  CHECK(zmtp_read(command.data(), command.size(), kLimits, views).status == ZmtpStatus::Command);
  return views[0];
}

void ready_says_who_is_there() {
  std::vector<FrameView> views;
  const std::string dealer = zmtp_ready("DEALER"), router = zmtp_ready("ROUTER");
  CHECK(std::string(zmtp_check_ready(body_of(dealer, views))).empty());
  CHECK(!std::string(zmtp_check_ready(body_of(router, views))).empty());
  const FrameView whole = body_of(dealer, views);
  for (size_t cut = 0; cut < whole.bytes; ++cut) {
    const Exact part(std::string(whole.data, cut));
    CHECK(zmtp_check_ready(FrameView{part.data.get(), part.size})[0] != '\0');
  }
}

void ping_is_answered_with_its_context() {
  std::string ping, other;
  zmtp_append_command(ping, "PING", std::string("\0\x0a" "context", 9));
  zmtp_append_command(other, "SUBSCRIBE", "x");
  std::vector<FrameView> views;
  const std::string pong = zmtp_answer(body_of(ping, views));
  const FrameView body = body_of(pong, views);
  CHECK(std::string(body.data, body.bytes) == "\x04PONGcontext");
  CHECK(zmtp_answer(body_of(other, views)).empty());
  CHECK(zmtp_answer(FrameView{"\x04PING", 5}).empty());
}

void random_bytes_never_end_it() {
  std::mt19937 random(7);
  std::vector<FrameView> views;
  const std::string good = encoded({"header", std::string(300, 'p')}) + zmtp_ready("DEALER");
  for (int round = 0; round < 200'000; ++round) {
    std::string text = good;
    if (round % 2 == 0) text.resize(random() % 40);
    const int changes = 1 + static_cast<int>(random() % 4);
    for (int change = 0; change < changes && !text.empty(); ++change)
      text[random() % text.size()] = static_cast<char>(random());
    const Exact exact(text);
    const ZmtpUnit unit = zmtp_read(exact.data.get(), exact.size, kLimits, views);
    if (unit.status == ZmtpStatus::Command) {
      zmtp_check_ready(views[0]);
      zmtp_answer(views[0]);
    }
    CHECK(unit.end <= exact.size);
    CHECK(unit.status != ZmtpStatus::NeedMore || unit.needed > exact.size);
    zmtp_read_greeting(exact.data.get(), exact.size);
  }
}

void parts_arrive_in_order_however_little_the_socket_takes() {
  int ends[2];
  CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
  fcntl(ends[1], F_SETFL, O_NONBLOCK);
  std::string expected;
  std::vector<std::string> texts;
  for (int index = 0; index < 3'000; ++index)
    texts.emplace_back(index % 7 == 0 ? 0 : 100 + index, static_cast<char>(index));
  std::vector<FrameView> parts;
  for (const std::string& text : texts) {
    parts.push_back({text.data(), text.size()});
    expected += text;
  }
  std::string received, rest;
  const WriteResult first = write_parts(ends[0], parts);
  CHECK(!first.is_gone && first.sent > 0 && first.sent < expected.size());
  append_rest(rest, parts, first.sent);
  CHECK(rest == expected.substr(first.sent));
  while (received.size() < expected.size()) {
    char buffer[65536];
    for (ssize_t got; (got = read(ends[1], buffer, sizeof buffer)) > 0;)
      received.append(buffer, static_cast<size_t>(got));
    const WriteResult more = write_parts(ends[0], {{rest.data(), rest.size()}});
    rest.erase(0, more.sent);
  }
  CHECK(received == expected);
  close(ends[1]);
  CHECK(write_parts(ends[0], parts).is_gone);
  close(ends[0]);
}

}  // namespace

int main() {
  message_cut_anywhere_is_incomplete_until_its_end();
  limits_hold_at_their_edges();
  greeting_is_known_by_its_first_bytes();
  ready_says_who_is_there();
  ping_is_answered_with_its_context();
  random_bytes_never_end_it();
  parts_arrive_in_order_however_little_the_socket_takes();
  return check::result();
}
