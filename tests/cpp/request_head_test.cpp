// RequestHead: which header fields mean something, and which make a request one that is not served.
#include "request_head.hpp"

#include "head_scan.hpp"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

namespace {

void check(bool holds, const char* claim, int line) {
  if (holds) return;
  std::fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, line, claim);
  std::exit(1);
}
#define CHECK(claim) check((claim), #claim, __LINE__)

using clipper::RequestHead;

void add(RequestHead& head, const std::string& name, const std::string& value) {
  head.add(name.data(), name.size(), value.data(), value.size());
}

RequestHead with(const std::string& name, const std::string& value) {
  RequestHead head;
  add(head, name, value);
  return head;
}

bool refused(const RequestHead& head, int status, const char* code) {
  return head.refusal.status == status && std::strcmp(head.refusal.code, code) == 0 && head.refusal.cause != nullptr;
}

void test_names_are_known_in_any_case_and_by_no_other_spelling() {
  CHECK(with("CONTENT-length", "12").content_length == 12);
  CHECK(with("Clipper-Batch", "3").clipper_batch == 3);
  CHECK(!with("Content_Length", "12").has_content_length);
  CHECK(!with("Xontent-Length", "12").has_content_length);
  CHECK(!with("Content-Lengt\xe8", "12").has_content_length);
  CHECK(!with("", "12").has_content_length);
}

void test_length_takes_digits_alone() {
  CHECK(with("Content-Length", "0").has_content_length);
  CHECK(with("Content-Length", " 007\t ").content_length == 7);
  for (const char* value : {"", " ", "+1", "-1", "0x1", "1 1", "1,1", "1.0", "1e3", "99999999999999999999"}) {
    CHECK(refused(with("Content-Length", value), 400, "malformed_request"));
  }
}

void test_transfer_encoding_takes_chunked_alone() {
  CHECK(with("Transfer-Encoding", " ChunkeD ").is_chunked);
  for (const char* value : {"", "identity", "xchunked", "chunkedx", "gzip, chunked", "chunked, chunked", "chunked;a"}) {
    CHECK(refused(with("Transfer-Encoding", value), 400, "malformed_request"));
  }
}

void test_single_fields_given_twice_are_refused() {
  for (const char* name : {"Host", "Expect", "Content-Type", "Clipper-Batch", "Content-Length", "Content-Encoding"}) {
    const char* value = std::strcmp(name, "Expect") == 0 ? "100-continue" : "1";
    RequestHead head;
    if (std::strcmp(name, "Content-Encoding") == 0) value = "identity";
    add(head, name, value);
    CHECK(head.refusal.status == 0);
    add(head, name, value);
    CHECK(refused(head, 400, "duplicate_header"));
  }
}

void test_first_refusal_stays_and_clear_forgets_everything() {
  RequestHead head;
  add(head, "Expect", "nothing");
  add(head, "Content-Length", "x");
  CHECK(refused(head, 417, "expectation_failed"));
  head.clear();
  CHECK(head.refusal.status == 0 && head.field_bytes == 0 && !head.has_content_length);
  add(head, "Expect", "100-continue");
  CHECK(head.refusal.status == 0 && head.expects_continue);
}

void test_binary_is_octet_stream_with_or_without_parameters() {
  CHECK(with("Content-Type", "application/octet-stream").is_binary);
  CHECK(with("content-type", "APPLICATION/octet-stream ;a=b").is_binary);
  CHECK(!with("Content-Type", "application/octet-stream2").is_binary);
  CHECK(!with("Content-Type", "application/octet").is_binary);
}

void test_field_bytes_count_a_line_each() {
  RequestHead head;
  add(head, "Ab", "cde");  // "Ab: cde\r\n"
  add(head, "X", "");      // "X: \r\n"
  CHECK(head.field_bytes == 9 + 5);
}

void test_methods_are_told_apart_in_capitals_alone() {
  CHECK(clipper::method_of("POST") == clipper::Method::Post);
  CHECK(clipper::method_of("OPTIONS") == clipper::Method::Options);
  CHECK(clipper::method_of("post") == clipper::Method::Other);
}

void test_head_end_is_the_first_empty_line() {
  CHECK(clipper::head_bytes("a\r\n\r\nb\r\n\r\n", 10) == 5);
  CHECK(clipper::head_bytes("a\r\n\r", 4) == 0);
  CHECK(clipper::head_bytes("", 0) == 0);
  CHECK(clipper::has_one_head("a\r\n\r\nbody", 9));
  CHECK(!clipper::has_one_head("a\r\n\r\nb\rdy", 9));
  CHECK(!clipper::has_one_head("no end", 6));
}

}  // namespace

int main() {
  test_head_end_is_the_first_empty_line();
  test_names_are_known_in_any_case_and_by_no_other_spelling();
  test_length_takes_digits_alone();
  test_transfer_encoding_takes_chunked_alone();
  test_single_fields_given_twice_are_refused();
  test_first_refusal_stays_and_clear_forgets_everything();
  test_binary_is_octet_stream_with_or_without_parameters();
  test_field_bytes_count_a_line_each();
  test_methods_are_told_apart_in_capitals_alone();
  return 0;
}
