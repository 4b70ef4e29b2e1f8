// ResponseQueue against a twin that keeps everything and sorts at the end; and the response heads, byte for byte.
#include <cstdio>
#include <cstdlib>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "http_response.hpp"

namespace {

void check(bool holds, const char* claim, int line) {
  if (holds) return;
  std::fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, line, claim);
  std::exit(1);
}
#define CHECK(claim) check((claim), #claim, __LINE__)

using clipper::ReplyTraits;
using clipper::ResponseQueue;

void answer(ResponseQueue& queue, uint64_t sequence, const std::string& bytes) {
  if (!queue.is_open(sequence)) return;
  queue.sink(sequence).append(bytes);
  queue.written(sequence, bytes.size());
  queue.finish(sequence);
}

void test_answers_in_random_order_leave_in_request_order() {
  std::mt19937 random(1);
  for (int round = 0; round < 2'000; ++round) {
    ResponseQueue queue;
    std::vector<uint64_t> waiting;
    std::string sent, expected;
    uint64_t opened = 0;
    const uint64_t total = 1 + random() % 40;
    while (opened < total || !waiting.empty()) {
      const auto step = random() % 3;
      if (step == 0 && opened < total) {
        CHECK(queue.open({}) == opened);
        waiting.push_back(opened);
        expected += std::to_string(opened) + ";";
        ++opened;
      } else if (step == 1 && !waiting.empty()) {
        const size_t pick = random() % waiting.size();
        const uint64_t sequence = waiting[pick];
        waiting.erase(waiting.begin() + static_cast<long>(pick));
        CHECK(queue.is_open(sequence));
        answer(queue, sequence, std::to_string(sequence) + ";");
        CHECK(!queue.is_open(sequence));
        answer(queue, sequence, "twice;");
      } else {
        sent += queue.out();
        queue.clear_out();
      }
      CHECK(queue.open_count() >= waiting.size());
    }
    sent += queue.out();
    CHECK(sent == expected);
    CHECK(queue.open_count() == 0 && queue.held_bytes() == 0);
  }
}

void test_held_bytes_count_what_waits_behind_the_head() {
  ResponseQueue queue;
  for (int i = 0; i < 3; ++i) queue.open({});
  answer(queue, 2, "xxxx");
  answer(queue, 1, "yy");
  CHECK(queue.held_bytes() == 6 && queue.out().empty());
  CHECK(queue.is_full(0, 3, 100) && !queue.is_full(1, 3, 100) && !queue.is_full(0, 4, 7) && queue.is_full(0, 4, 6));
  answer(queue, 0, "z");
  CHECK(queue.held_bytes() == 0 && queue.out() == "zyyxxxx" && queue.waiting_bytes() == 7);
  CHECK(queue.has_drained(0, 2, 14) && !queue.has_drained(0, 2, 13));
}

void test_interim_bytes_of_a_later_place_leave_when_it_becomes_the_head() {
  ResponseQueue queue;
  queue.open({});
  queue.open({});
  queue.sink(1).append("100;");
  queue.written(1, 4);
  CHECK(queue.out().empty());
  answer(queue, 0, "a;");
  CHECK(queue.out() == "a;100;" && queue.held_bytes() == 0);
  answer(queue, 1, "b;");
  CHECK(queue.out() == "a;100;b;");
}

void test_answer_that_ends_the_connection_drops_the_places_behind_it() {
  ResponseQueue queue;
  for (int i = 0; i < 4; ++i) queue.open({});
  queue.close_after(1);
  answer(queue, 2, "c;");
  answer(queue, 1, "b;");
  CHECK(!queue.ended());
  answer(queue, 0, "a;");
  CHECK(queue.ended() && queue.out() == "a;b;" && queue.open_count() == 0 && queue.held_bytes() == 0);
  CHECK(!queue.is_open(3));
}

void test_large_output_buffer_is_given_back() {
  ResponseQueue queue;
  queue.open({});
  answer(queue, 0, std::string(1'000'000, 'x'));
  queue.clear_out();
  CHECK(queue.out().capacity() < 1'000);
}

std::string response(int status, const char* body, const char* extra, ReplyTraits traits) {
  std::string out;
  clipper::append_response(out, status, "DATE", clipper::kJsonType, body, extra, traits);
  return out;
}

void test_heads_are_exact() {
  CHECK(response(200, "{}", "", {}) ==
        "HTTP/1.1 200 OK\r\nDate: DATE\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}");
  CHECK(response(503, "x", "Retry-After: 1\r\n", {false, false, false}) ==
        "HTTP/1.1 503 Service Unavailable\r\nDate: DATE\r\nContent-Type: application/json\r\nContent-Length: 1\r\n"
        "Connection: close\r\nRetry-After: 1\r\n\r\nx");
  CHECK(response(200, "abc", "", {true, true, true}) ==
        "HTTP/1.1 200 OK\r\nDate: DATE\r\nContent-Type: application/json\r\nContent-Length: 3\r\n"
        "Connection: keep-alive\r\n\r\n");
  CHECK(response(204, "", "Allow: GET\r\n", {}) == "HTTP/1.1 204 No Content\r\nDate: DATE\r\nAllow: GET\r\n\r\n");
}

void test_error_json_escapes_every_byte_that_needs_it() {
  CHECK(clipper::error_json("code", "a\"b\\c\n\x7f\xff") ==
        "{\"error\": \"code\", \"cause\": \"a\\\"b\\\\c\\u000a\\u007f\\u00ff\"}");
}

void test_appended_text_is_its_pieces_behind_what_was_there() {
  for (const uint64_t value : {uint64_t{0}, uint64_t{9}, uint64_t{10}, UINT64_MAX}) {
    std::string out = "before ";
    clipper::AppendedText text(out, 3 + clipper::AppendedText::kIntegerBytes);
    text.put("ab");
    text.put({});
    text.put_integer(value);
    text.put("c");
    text.end();
    CHECK(out == "before ab" + std::to_string(value) + "c");
  }
}

}  // namespace

int main() {
  test_answers_in_random_order_leave_in_request_order();
  test_held_bytes_count_what_waits_behind_the_head();
  test_interim_bytes_of_a_later_place_leave_when_it_becomes_the_head();
  test_answer_that_ends_the_connection_drops_the_places_behind_it();
  test_large_output_buffer_is_given_back();
  test_heads_are_exact();
  test_error_json_escapes_every_byte_that_needs_it();
  test_appended_text_is_its_pieces_behind_what_was_there();
  return 0;
}
