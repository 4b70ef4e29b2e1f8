// AnswerCheck, RequestSet and LogHistogram of the load client.
#include "answer_check.hpp"

#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <stdexcept>
#include <string>

#include "check.hpp"
#include "log_histogram.hpp"

namespace {

using clipper::load::AnswerCheck;
using clipper::load::LogHistogram;
using clipper::load::Outcome;
using clipper::load::RequestSet;

struct File {
  explicit File(const std::string& content) {
    char name[] = "/tmp/clipper-load-XXXXXX";
    ::close(::mkstemp(name));
    path = name;
    std::ofstream(path, std::ios::binary) << content;
  }
  ~File() { ::unlink(path.c_str()); }
  std::string path;
};

template <typename Call>
bool refuses(Call call) {
  try {
    call();
  } catch (const std::runtime_error&) {
    return true;
  }
  return false;
}

void test_answer_is_one_outcome() {
  AnswerCheck check;
  check.add("status", -1, "200");
  check.add("status", -1, "201");
  check.add("rejected", -1, "429");
  check.add("default", -1, "\"default\":true");
  check.add("accept", -1, "\"output\":1,");
  check.add("json", -1, "");
  CHECK(check.judge(200, R"({"output":1,"default":false})", 0, 0) == Outcome::Answered);
  CHECK(check.judge(201, "{ \"output\" : 1,\n \"default\" : false }", 0, 0) == Outcome::Answered);
  CHECK(check.judge(200, R"({"output":1,"default": true})", 0, 0) == Outcome::Default);
  CHECK(check.judge(200, R"({"output":10,"default":false})", 0, 0) == Outcome::WrongAnswer);
  CHECK(check.judge(200, "", 0, 0) == Outcome::WrongAnswer);
  CHECK(check.judge(429, R"({"output":1,)", 0, 0) == Outcome::Rejected);
  CHECK(check.judge(503, R"({"output":1,)", 0, 0) == Outcome::BadStatus);
}

void test_white_space_counts_within_strings_alone() {
  AnswerCheck check;
  CHECK(check.compact("{ \"a b\" :\t\"c\\\" d\" }\r\n") == "{\"a b\":\"c\\\" d\"}");
  CHECK(check.compact("[1,2]") == "[1,2]");
  CHECK(check.compact(" \"ends in \\") == "\"ends in \\");
}

void test_each_request_has_answers_of_its_own() {
  File file("accept 0 1\na\naccept 2 3\nb\nc\nstatus -1 3\n200\n");
  AnswerCheck check = AnswerCheck::load(file.path);
  CHECK(check.judge(200, "a", 0, 0) == Outcome::Answered);
  CHECK(check.judge(200, "a", 2, 0) == Outcome::WrongAnswer);
  CHECK(check.judge(200, "b\nc", 2, 0) == Outcome::Answered);
  CHECK(check.judge(200, "anything", 1, 0) == Outcome::Answered);
  CHECK(check.judge(200, "anything", 3, 0) == Outcome::Answered);
}

void test_counter_comes_back_or_the_answer_is_wrong() {
  AnswerCheck check;
  check.add("status", -1, "200");
  check.add("echo", -1, "");
  CHECK(check.judge(200, "12345678", 0, 12'345'678) == Outcome::Answered);
  CHECK(check.judge(200, "12345679", 0, 12'345'678) == Outcome::WrongAnswer);
}

void test_damaged_files_are_refused() {
  CHECK(refuses([] { AnswerCheck::load(File("accept 0 10\na\n").path); }));
  CHECK(refuses([] { AnswerCheck::load("/nowhere/at/all"); }));
  CHECK(refuses([] { AnswerCheck::load(File("wonder -1 0\n\n").path); }));
  for (const char* content : {"", "digits 0\n", "digits x\n", "digits 1\n", "digits 1\n1 1\n", "words 1\n1 1\nab", "digits 2\n1 1\nab"}) {
    File file(content);
    CHECK(refuses([&] { RequestSet::load(file.path); }));
  }
}

void test_counter_chooses_the_request_and_fills_its_hole() {
  File file("digits 4\n2 1\n1 1 none 1\n0 1 float\n0 0 double 2\n<<>ab!");
  RequestSet requests = RequestSet::load(file.path);
  CHECK(requests.group_count() == 3);
  CHECK(requests.group_of(1) == 1 && requests.group_of(4) == 0);
  CHECK(requests.render(10'000'000) == "<<10000000>");
  CHECK(requests.render(10'000'001) == "ab");
  CHECK(requests.render(10'000'002).size() == 5);
  double value = 0;
  std::memcpy(&value, requests.render(10'000'003).data(), sizeof value);
  CHECK(value == 10'000'003 * 1e-8);
  float single = 0;
  std::memcpy(&single, requests.render(12'345'678).data(), sizeof single);
  CHECK(single >= 0.5f && single < 1.0f);
  CHECK(!requests.is_fixed());
}

void test_counter_begins_again_after_the_last_of_eight_digits() {
  CHECK(RequestSet::counter_of(99'999'999, 0) == 99'999'999);
  CHECK(RequestSet::counter_of(99'999'999, 1) == 10'000'000);
  CHECK(RequestSet::counter_of(10'000'000, 90'000'000) == 10'000'000);
}

void test_merged_histogram_counts_both() {
  LogHistogram one, other;
  for (uint64_t value : {0ull, 127ull, 128ull, 1'000'000ull, ~0ull}) one.record(value);
  other.record(1'000'000);
  one.merge(other);
  CHECK(one.total() == 6);
  CHECK(one.count(LogHistogram::bucket_of(1'000'000)) == 2);
  CHECK(LogHistogram::bucket_of(~0ull) < LogHistogram::kBucketCount);
}

}  // namespace

int main() {
  test_answer_is_one_outcome();
  test_white_space_counts_within_strings_alone();
  test_each_request_has_answers_of_its_own();
  test_counter_comes_back_or_the_answer_is_wrong();
  test_damaged_files_are_refused();
  test_counter_chooses_the_request_and_fills_its_hole();
  test_counter_begins_again_after_the_last_of_eight_digits();
  test_merged_histogram_counts_both();
  return check::result();
}
