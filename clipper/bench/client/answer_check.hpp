// What an answer is taken for. A file written by clipper/bench/request_file.py holds what is expected, as records
//   "KIND REQUEST BYTES\n" + that many bytes + "\n":
// `status`, `rejected` (a number), `default`, `accept` (a text), `echo` (nothing; the counter's digits come back),
// `json` (nothing; white space between tokens does not count). REQUEST is -1 for all of them, or the index of one.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "request_set.hpp"

namespace clipper::load {

// Every arrival ends as exactly one of these.
enum class Outcome : uint8_t { Answered, Default, Rejected, BadStatus, WrongAnswer, Lost, Unanswered };
constexpr size_t kOutcomeCount = 7;
constexpr const char* kOutcomeNames[kOutcomeCount] = {"answered",     "default", "rejected",  "bad_status",
                                                      "wrong_answer", "lost",    "unanswered"};

class AnswerCheck {
 public:
  static AnswerCheck load(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    if (!in) throw std::runtime_error("cannot read " + path);
    AnswerCheck check;
    std::string kind;
    long long request = 0;
    size_t bytes = 0;
    while (in >> kind >> request >> bytes) {
      in.get();
      std::string text(bytes, '\0');
      in.read(text.data(), static_cast<std::streamsize>(bytes));
      in.get();
      if (!in) throw std::runtime_error("the file of expected answers ends too early: " + path);
      check.add(kind, request, std::move(text));
    }
    if (check.statuses_.empty()) check.statuses_.push_back(200);
    return check;
  }

  void add(const std::string& kind, long long request, std::string text) {
    if (kind == "status") {
      statuses_.push_back(std::atoi(text.c_str()));
    } else if (kind == "rejected") {
      rejected_.push_back(std::atoi(text.c_str()));
    } else if (kind == "default") {
      default_ = std::move(text);
    } else if (kind == "echo") {
      must_echo_ = true;
    } else if (kind == "json") {
      is_json_ = true;
    } else if (kind == "accept") {
      if (request < 0) {
        accept_.push_back(std::move(text));
      } else {
        const size_t index = static_cast<size_t>(request);
        if (index >= accept_of_.size()) accept_of_.resize(index + 1);
        accept_of_[index].push_back(std::move(text));
      }
    } else {
      throw std::runtime_error("no such kind of expectation: " + kind);
    }
  }

  // `request` is the index of what was asked, `counter` what stood in its hole.
  Outcome judge(int status, std::string_view body, size_t request, uint64_t counter) {
    if (holds(rejected_, status)) return Outcome::Rejected;
    if (!holds(statuses_, status)) return Outcome::BadStatus;
    if (is_json_) body = compact(body);
    if (!default_.empty() && contains(body, default_)) return Outcome::Default;
    if (must_echo_) {
      char digits[RequestSet::kDigits];
      RequestSet::write_digits(counter, digits);
      if (!contains(body, {digits, sizeof digits})) return Outcome::WrongAnswer;
    }
    if (!is_one_of(body, accept_)) return Outcome::WrongAnswer;
    if (request < accept_of_.size() && !is_one_of(body, accept_of_[request])) return Outcome::WrongAnswer;
    return Outcome::Answered;
  }

  // JSON without the white space between its tokens; valid until the next call.
  std::string_view compact(std::string_view body) {
    bool has_space = false;
    for (const char byte : body) has_space |= is_space(byte);
    if (!has_space) return body;
    compacted_.clear();
    bool in_string = false;
    for (size_t i = 0; i < body.size(); ++i) {
      const char byte = body[i];
      if (!in_string && is_space(byte)) continue;
      if (byte == '"') in_string = !in_string;
      compacted_.push_back(byte);
      if (in_string && byte == '\\' && i + 1 < body.size()) compacted_.push_back(body[++i]);
    }
    return compacted_;
  }

 private:
  static bool is_space(char byte) noexcept { return byte == ' ' || byte == '\n' || byte == '\r' || byte == '\t'; }

  static bool holds(const std::vector<int>& statuses, int status) noexcept {
    for (const int one : statuses) {
      if (one == status) return true;
    }
    return false;
  }

  static bool contains(std::string_view body, std::string_view text) noexcept {
    return memmem(body.data(), body.size(), text.data(), text.size()) != nullptr;
  }

  static bool is_one_of(std::string_view body, const std::vector<std::string>& texts) noexcept {
    for (const std::string& text : texts) {
      if (contains(body, text)) return true;
    }
    return texts.empty();
  }

  std::vector<int> statuses_, rejected_;
  std::string default_;  // an answer that holds this is a default output; empty: there are none
  std::vector<std::string> accept_;
  std::vector<std::vector<std::string>> accept_of_;  // by request
  bool must_echo_ = false, is_json_ = false;
  std::string compacted_;
};

}  // namespace clipper::load
