// Command line of the load client; clipper/bench/load_client.py writes it, no person has to.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <stdexcept>
#include <string>

namespace clipper::load {

struct Options {
  std::string host, port;
  std::string requests_file, checks_file, offsets_file;
  std::string keys_file;           // empty: the nth arrival takes the nth counter
  double warmup_s = 0;             // arrivals of this long are sent but not recorded
  double duration_s = 0;           // of what is recorded, after the warm-up
  double drain_s = 2;              // how long to wait for the last answers; those that do not come count as unanswered
  double progress_s = 0;           // a line about the state of things this often; 0: none
  uint32_t connections = 256;      // of all threads; an arrival that finds none idle waits, and its latency with it
  uint32_t threads = 1;
  uint64_t first_counter = 10'000'000;

  static Options parse(int argc, char** argv) {
    Options options;
    for (int i = 1; i < argc; i += 2) {
      const std::string name = argv[i];
      if (i + 1 >= argc) throw std::runtime_error(name + " needs a value");
      const char* value = argv[i + 1];
      if (name == "--host") options.host = value;
      else if (name == "--port") options.port = value;
      else if (name == "--requests") options.requests_file = value;
      else if (name == "--checks") options.checks_file = value;
      else if (name == "--offsets") options.offsets_file = value;
      else if (name == "--keys") options.keys_file = value;
      else if (name == "--warmup-s") options.warmup_s = std::atof(value);
      else if (name == "--duration-s") options.duration_s = std::atof(value);
      else if (name == "--drain-s") options.drain_s = std::atof(value);
      else if (name == "--progress-s") options.progress_s = std::atof(value);
      else if (name == "--connections") options.connections = static_cast<uint32_t>(std::strtoul(value, nullptr, 10));
      else if (name == "--threads") options.threads = static_cast<uint32_t>(std::strtoul(value, nullptr, 10));
      else if (name == "--first-counter") options.first_counter = std::strtoull(value, nullptr, 10);
      else throw std::runtime_error("unknown option " + name);
    }
    options.require();
    return options;
  }

 private:
  void require() const {
    if (host.empty() || port.empty() || requests_file.empty() || checks_file.empty() || offsets_file.empty()) {
      throw std::runtime_error("--host, --port, --requests, --checks and --offsets must be given");
    }
    if (duration_s <= 0 || warmup_s < 0 || drain_s < 0) throw std::runtime_error("--duration-s must be positive");
    if (threads == 0 || connections < threads) throw std::runtime_error("each thread needs a connection");
    if (first_counter < 10'000'000 || first_counter > 99'999'999) {
      throw std::runtime_error("--first-counter must have eight digits");
    }
  }
};

}  // namespace clipper::load
