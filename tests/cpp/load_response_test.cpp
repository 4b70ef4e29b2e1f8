// ResponseReader of the load client: every response is cut at every byte, and read whole.
#include "response_reader.hpp"

#include <cstring>
#include <string>
#include <vector>

#include "check.hpp"

namespace {

using clipper::load::ResponseReader;
using State = ResponseReader::State;

// Feeds pieces; returns the state after the last one, and fails if the message ended before it.
State feed(ResponseReader& reader, const std::vector<std::string>& pieces) {
  State state = State::Incomplete;
  for (const std::string& piece : pieces) {
    CHECK(state == State::Incomplete);
    size_t at = 0;
    while (at < piece.size()) {
      char* room = reader.room();
      const size_t count = std::min(reader.room_bytes(), piece.size() - at);
      CHECK(count > 0);
      std::memcpy(room, piece.data() + at, count);
      at += count;
      state = reader.added(count);
    }
  }
  return state;
}

void expect_body(const std::string& response, const std::string& body, int status = 200, bool closes = false) {
  ResponseReader reader;  // one for all: clearing it must leave nothing behind
  for (size_t cut = 1; cut <= response.size(); ++cut) {
    reader.clear();
    const bool is_cut = cut < response.size();
    const State state = is_cut ? feed(reader, {response.substr(0, cut), response.substr(cut)}) : feed(reader, {response});
    CHECK(state == State::Complete);
    CHECK(reader.status() == status);
    CHECK(reader.body() == body);
    CHECK(reader.closes() == closes);
  }
  reader.clear();
  std::vector<std::string> bytes;
  for (const char byte : response) bytes.emplace_back(1, byte);
  CHECK(feed(reader, bytes) == State::Complete);
  CHECK(reader.body() == body);
}

void expect_broken(const std::string& response) {
  ResponseReader reader;
  CHECK(feed(reader, {response}) == State::Broken);
}

void test_length_ends_the_body() {
  expect_body("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "hello");
  expect_body("HTTP/1.1 200 OK\r\ncontent-length:0\r\nX: y\r\n\r\n", "");
  expect_body("HTTP/1.1 503 \r\nCONTENT-LENGTH: \t2 \r\nConnection:  Close\r\n\r\nno", "no", 503, true);
  expect_body("HTTP/1.1 204 No Content\r\nServer: x\r\n\r\n", "", 204);
  expect_body("HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\n1", "1", 200, true);
  expect_body("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\n1", "1");
}

void test_chunks_are_put_together() {
  expect_body("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", "hello");
  expect_body("HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n1;a=b\r\n{\r\n0B\r\n0\r\n\r\n0\r\n\r\n1\r\n1\r\n}\r\n0\r\nT: v\r\n\r\n",
              "{0\r\n\r\n0\r\n\r\n1}");
  expect_body("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n000\r\n\r\n", "");
}

void test_interim_responses_are_skipped() {
  expect_body("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n7", "7");
}

void test_closing_ends_a_body_without_a_length() {
  ResponseReader reader;
  CHECK(feed(reader, {"HTTP/1.1 200 OK\r\n\r\nhal", "f"}) == State::Incomplete);
  CHECK(reader.ended() == State::Complete);
  CHECK(reader.body() == "half");
  CHECK(reader.closes());
  reader.clear();
  CHECK(feed(reader, {"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"}) == State::Incomplete);
  CHECK(reader.ended() == State::Broken);
  reader.clear();
  CHECK(reader.ended() == State::Broken);
}

void test_large_body_grows_the_buffer() {
  std::string body(3'000'000, 'x');
  for (size_t i = 0; i < body.size(); i += 97) body[i] = static_cast<char>('a' + i % 26);
  ResponseReader reader;
  CHECK(feed(reader, {"HTTP/1.1 200 OK\r\nContent-Length: 3000000\r\n\r\n" + body}) == State::Complete);
  CHECK(reader.body() == body);
  reader.clear();
  CHECK(feed(reader, {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2DC6C0\r\n" + body + "\r\n0\r\n\r\n"}) == State::Complete);
  CHECK(reader.body() == body);
}

void test_what_is_no_response_is_broken() {
  expect_broken("SSH-2.0-OpenSSH_9.2 and some more text\r\n\r\n");
  expect_broken("HTTP/1.1 20x OK\r\nContent-Length: 0\r\n\r\n");
  expect_broken("HTTP/1.1 101 Switching\r\nUpgrade: h2c\r\n\r\n");
  expect_broken("HTTP/1.1 200 OK\r\nno colon here\r\n\r\n");
  expect_broken("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n");
  expect_broken("HTTP/1.1 200 OK\r\nContent-Length: \r\n\r\n");
  expect_broken("HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n");
  expect_broken("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n");
  expect_broken("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n");
  expect_broken("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\r\n");
  expect_broken("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n");
  expect_broken("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n");
  expect_broken(std::string(ResponseReader::kMostHeadBytes + 1, 'h'));
}

void test_more_than_the_answer_is_broken() {
  expect_broken("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n12");
  expect_broken("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nH");
}

}  // namespace

int main() {
  test_length_ends_the_body();
  test_chunks_are_put_together();
  test_interim_responses_are_skipped();
  test_closing_ends_a_body_without_a_length();
  test_large_body_grows_the_buffer();
  test_what_is_no_response_is_broken();
  test_more_than_the_answer_is_broken();
  return check::result();
}
