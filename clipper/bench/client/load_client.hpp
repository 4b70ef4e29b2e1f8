// A whole run: threads, their progress while they work, and the result as one line of JSON.
#pragma once

#include <pthread.h>
#include <sys/resource.h>

#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <mutex>
#include <thread>

#include "load_thread.hpp"

namespace clipper::load {

class LoadClient {
 public:
  explicit LoadClient(Options options)
      : work_{options,
              Endpoint::find(options.host, options.port),
              RequestSet::load(options.requests_file),
              AnswerCheck::load(options.checks_file),
              Int64File(options.offsets_file),
              options.keys_file.empty() ? Int64File() : Int64File(options.keys_file)} {
    if (!work_.keys.is_empty() && work_.keys.size() < work_.offsets.size()) {
      throw std::runtime_error("there are fewer keys than arrivals");
    }
    need_descriptors(options.connections);
    for (uint32_t i = 0; i < options.threads; ++i) threads_.push_back(std::make_unique<LoadThread>(work_, i));
  }

  void run(std::FILE* out) {
    const uint64_t cpu_before_us = cpu_us();
    const uint64_t start_ns = now_ns() + kNsPerS / 100;
    std::vector<std::thread> running;
    size_t ended = 0;
    std::mutex mutex;
    std::condition_variable changed;
    for (const auto& thread : threads_) {
      running.emplace_back([&, one = thread.get()] {
        one->run(start_ns);
        const std::lock_guard<std::mutex> lock(mutex);
        ++ended;
        changed.notify_one();
      });
    }
    {
      std::unique_lock<std::mutex> lock(mutex);
      const auto all_ended = [&] { return ended == threads_.size(); };
      const std::chrono::duration<double> interval(work_.options.progress_s);
      if (work_.options.progress_s > 0) {
        while (!changed.wait_for(lock, interval, all_ended)) write_progress(out, start_ns);
      } else {
        changed.wait(lock, all_ended);
      }
    }
    for (std::thread& thread : running) thread.join();
    cpu_us_ = cpu_us() - cpu_before_us;
  }

  void write_json(std::FILE* out) const {
    Tally all(work_.requests.group_count());
    uint64_t elapsed_ns = 0;
    for (const auto& thread : threads_) {
      all.merge(thread->tally());
      elapsed_ns = std::max(elapsed_ns, thread->elapsed_ns());
    }
    const uint64_t sent = work_.requests.is_fixed() ? 0 : work_.offsets.size();
    const uint64_t next_counter = RequestSet::counter_of(work_.options.first_counter, sent);
    std::fprintf(out, "{\"elapsed_us\":%llu,\"cpu_us\":%llu,\"next_counter\":%llu,\"idle_ratios\":[",
                 wide(elapsed_ns / 1000), wide(cpu_us_), wide(next_counter));
    const char* separator = "";
    for (const auto& thread : threads_) {
      std::fprintf(out, "%s%.4f", separator, thread->idle_ratio());
      separator = ",";
    }
    std::fputs("],", out);
    all.write_json(out);
    std::fputs("}\n", out);
    std::fflush(out);
  }

 private:
  static unsigned long long wide(uint64_t value) noexcept { return value; }

  static uint64_t cpu_us() noexcept {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    const auto us = [](const timeval& t) {
      return static_cast<uint64_t>(t.tv_sec) * 1'000'000 + static_cast<uint64_t>(t.tv_usec);
    };
    return us(usage.ru_utime) + us(usage.ru_stime);
  }

  // Whoever reads this gone, the write ends the process (SIGPIPE): no load without someone who wants it.
  void write_progress(std::FILE* out, uint64_t start_ns) const {
    std::array<uint64_t, kOutcomeCount> outcomes{};
    for (const auto& thread : threads_) {
      for (size_t kind = 0; kind < kOutcomeCount; ++kind) {
        outcomes[kind] += thread->progress(static_cast<Outcome>(kind));
      }
    }
    const uint64_t now = now_ns();
    std::fprintf(out, "{\"elapsed_us\":%llu,\"progress\":", wide(now > start_ns ? (now - start_ns) / 1000 : 0));
    Tally::write_outcomes(out, outcomes);
    std::fputs("}\n", out);
    std::fflush(out);
  }

  const Work work_;
  std::vector<std::unique_ptr<LoadThread>> threads_;
  uint64_t cpu_us_ = 0;
};

}  // namespace clipper::load
