// Command line of the open-loop client.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <vector>

namespace bench {

struct Options {
  uint16_t port = 0;               // on 127.0.0.1: the benchmark never leaves the machine
  std::string template_path;
  double rate_per_s = 0;           // mean of the Poisson process
  double warmup_s = 0;             // arrivals of this long are sent but not recorded
  double duration_s = 0;
  double drain_s = 2;              // how long to wait for the last answers; unanswered ones are failures
  uint32_t connections = 256;      // an arrival that finds none idle waits, and its latency with it
  uint64_t seed = 1;
  uint64_t first_counter = 10'000'000;
  bool must_echo_counter = false;  // the answer holds the counter's digits
  std::vector<std::string> accept; // the answer holds one of these; empty: anything goes

  static Options parse(int argc, char** argv) {
    Options options;
    for (int i = 1; i < argc; ++i) {
      const std::string name = argv[i];
      if (name == "--echo-counter") {
        options.must_echo_counter = true;
        continue;
      }
      if (i + 1 >= argc) throw std::runtime_error(name + " needs a value");
      const char* value = argv[++i];
      if (name == "--port") options.port = static_cast<uint16_t>(std::atoi(value));
      else if (name == "--template") options.template_path = value;
      else if (name == "--rate") options.rate_per_s = std::atof(value);
      else if (name == "--warmup-s") options.warmup_s = std::atof(value);
      else if (name == "--duration-s") options.duration_s = std::atof(value);
      else if (name == "--drain-s") options.drain_s = std::atof(value);
      else if (name == "--connections") options.connections = static_cast<uint32_t>(std::atoi(value));
      else if (name == "--seed") options.seed = std::strtoull(value, nullptr, 10);
      else if (name == "--first-counter") options.first_counter = std::strtoull(value, nullptr, 10);
      else if (name == "--accept") options.accept.emplace_back(value);
      else throw std::runtime_error("unknown option " + name);
    }
    if (options.port == 0 || options.template_path.empty() || options.connections == 0 || options.rate_per_s <= 0 ||
        options.duration_s <= 0) {
      throw std::runtime_error("--port, --template, --rate, --duration-s and --connections must be given and positive");
    }
    return options;
  }
};

}  // namespace bench
