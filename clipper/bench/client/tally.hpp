// What one thread has seen: outcomes and latencies by group of requests, its own lag, and an example of each kind of
// answer that was not right. Tallies of several threads merge.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include "answer_check.hpp"
#include "log_histogram.hpp"

namespace clipper::load {

struct Group {
  std::array<uint64_t, kOutcomeCount> outcomes{};
  LogHistogram latency;        // ns from the scheduled arrival, of right answers
  LogHistogram other_latency;  // the same of every other response: defaults, refusals, wrong ones
};

struct Tally {
  explicit Tally(uint32_t groups) : by_group(groups) {}

  std::vector<Group> by_group;
  LogHistogram lag;  // ns that a request which had a connection waited for this program
  uint64_t waited = 0, reconnects = 0, received_bytes = 0;
  std::array<std::string, kOutcomeCount> examples;  // the first response of each kind

  void count(uint32_t group, Outcome outcome) noexcept { ++by_group[group].outcomes[static_cast<size_t>(outcome)]; }

  void keep_example(Outcome outcome, int status, std::string_view body) {
    constexpr size_t kMost = 300;
    std::string& example = examples[static_cast<size_t>(outcome)];
    if (example.empty()) example = std::to_string(status) + " " + std::string(body.substr(0, kMost));
  }

  void merge(const Tally& other) {
    for (size_t i = 0; i < by_group.size(); ++i) {
      const Group& group = other.by_group[i];
      for (size_t kind = 0; kind < kOutcomeCount; ++kind) by_group[i].outcomes[kind] += group.outcomes[kind];
      by_group[i].latency.merge(group.latency);
      by_group[i].other_latency.merge(group.other_latency);
    }
    lag.merge(other.lag);
    waited += other.waited;
    reconnects += other.reconnects;
    received_bytes += other.received_bytes;
    for (size_t kind = 0; kind < kOutcomeCount; ++kind) {
      if (examples[kind].empty()) examples[kind] = other.examples[kind];
    }
  }

  // The members of a JSON object, without its braces.
  void write_json(std::FILE* out) const {
    std::fprintf(out, "\"waited\":%llu,\"reconnects\":%llu,\"received_bytes\":%llu,\"lag_ns\":", wide(waited),
                 wide(reconnects), wide(received_bytes));
    lag.write_json(out);
    std::fputs(",\"examples\":{", out);
    const char* separator = "";
    for (size_t kind = 0; kind < kOutcomeCount; ++kind) {
      if (examples[kind].empty()) continue;
      std::fprintf(out, "%s\"%s\":", separator, kOutcomeNames[kind]);
      write_text(out, examples[kind]);
      separator = ",";
    }
    std::fputs("},\"groups\":[", out);
    for (size_t i = 0; i < by_group.size(); ++i) {
      std::fputs(i == 0 ? "{\"outcomes\":" : ",{\"outcomes\":", out);
      write_outcomes(out, by_group[i].outcomes);
      std::fputs(",\"latency_ns\":", out);
      by_group[i].latency.write_json(out);
      std::fputs(",\"other_latency_ns\":", out);
      by_group[i].other_latency.write_json(out);
      std::fputc('}', out);
    }
    std::fputc(']', out);
  }

  static void write_outcomes(std::FILE* out, const std::array<uint64_t, kOutcomeCount>& outcomes) {
    for (size_t kind = 0; kind < kOutcomeCount; ++kind) {
      std::fprintf(out, "%c\"%s\":%llu", kind == 0 ? '{' : ',', kOutcomeNames[kind], wide(outcomes[kind]));
    }
    std::fputc('}', out);
  }

 private:
  static unsigned long long wide(uint64_t value) noexcept { return value; }

  // As latin-1: every byte is a character, whatever the server sent.
  static void write_text(std::FILE* out, std::string_view text) {
    std::fputc('"', out);
    for (const char byte : text) {
      const unsigned char code = static_cast<unsigned char>(byte);
      if (code >= 0x20 && code < 0x7f && byte != '"' && byte != '\\') std::fputc(byte, out);
      else std::fprintf(out, "\\u%04x", code);
    }
    std::fputc('"', out);
  }
};

}  // namespace clipper::load
