// One thread of the open-loop client: requests leave when the schedule says so, whether or not the server keeps up, and
// latency counts from the *scheduled* arrival, so that a stall of the server is paid for by everything that should have
// been sent meanwhile (no coordinated omission). Epoll, keep-alive connections, one request at a time on each.
//
// It also measures itself: `lag` is how long a request that had a connection waited for this program, `idle_ratio` how
// much of the time it slept. The caller voids a run in which the client fell behind (clipper/bench/load_run.py).
#pragma once

#include <poll.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>

#include <algorithm>
#include <atomic>
#include <deque>
#include <memory>
#include <vector>

#include "answer_check.hpp"
#include "endpoint.hpp"
#include "options.hpp"
#include "request_set.hpp"
#include "response_reader.hpp"
#include "schedule.hpp"
#include "tally.hpp"

namespace clipper::load {

constexpr uint64_t kNsPerS = 1'000'000'000;

inline uint64_t now_ns() noexcept {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * kNsPerS + static_cast<uint64_t>(now.tv_nsec);
}

inline uint64_t seconds(double value) noexcept { return static_cast<uint64_t>(value * 1e9); }

// What the threads share, none of it written while they run.
struct Work {
  Options options;
  Endpoint endpoint;
  RequestSet requests;
  AnswerCheck check;
  Int64File offsets, keys;
};

class LoadThread {
 public:
  // Thread `index` of `options.threads` takes every such arrival, and its part of the connections.
  LoadThread(const Work& work, uint32_t index)
      : work_(work), requests_(work.requests), check_(work.check), tally_(work.requests.group_count()), next_(index) {
    epoll_ = epoll_create1(EPOLL_CLOEXEC);
    if (epoll_ < 0) throw std::runtime_error("epoll_create1 failed");
    const Options& options = work.options;
    const uint32_t count = options.connections / options.threads + (index < options.connections % options.threads);
    for (uint32_t i = 0; i < count; ++i) connections_.push_back(std::make_unique<Connection>());
    idle_.reserve(count);
    connect_all();
  }

  ~LoadThread() {
    for (const auto& connection : connections_) {
      if (connection->fd >= 0) ::close(connection->fd);
    }
    ::close(epoll_);
  }
  LoadThread(const LoadThread&) = delete;
  LoadThread& operator=(const LoadThread&) = delete;

  void run(uint64_t start_ns) {
    prctl(PR_SET_TIMERSLACK, 1000, 0, 0, 0);  // the usual 50 us would be lag of our own making
    const Options& options = work_.options;
    start_ns_ = idle_since_ns_ = start_ns;
    record_from_ns_ = seconds(options.warmup_s);
    measured_from_ns_ = start_ns + record_from_ns_;
    measured_to_ns_ = measured_from_ns_ + seconds(options.duration_s);
    const uint64_t give_up_ns = measured_to_ns_ + seconds(options.drain_s);
    const size_t arrivals = work_.offsets.size();
    uint64_t now = now_ns();
    while (now < give_up_ns) {
      now = send_due(now);
      if (next_ >= arrivals && busy_ == 0) break;
      uint64_t until = next_ >= arrivals || idle_.empty() ? give_up_ns : start_ns_ + work_.offsets[next_];
      if (!retries_.empty()) until = std::min(until, retries_.front().at_ns);
      now = wait(std::min(until, give_up_ns));
      if (!retries_.empty()) retry_connects(now);
    }
    now = now_ns();
    elapsed_ns_ = std::max(now, start_ns + 1) - start_ns;
    measured_to_ns_ = std::max(std::min(measured_to_ns_, now), measured_from_ns_ + 1);
    count_unanswered();
  }

  const Tally& tally() const noexcept { return tally_; }
  // Of the measurement alone: waiting for the last answers afterwards must not hide that it never slept before.
  double idle_ratio() const noexcept {
    return std::min(1.0, static_cast<double>(slept_ns_) / static_cast<double>(measured_to_ns_ - measured_from_ns_));
  }
  uint64_t elapsed_ns() const noexcept { return elapsed_ns_; }

  // Read by another thread while this one runs; the warm-up is in them.
  uint64_t progress(Outcome outcome) const noexcept {
    return progress_[static_cast<size_t>(outcome)].load(std::memory_order_relaxed);
  }

 private:
  struct Connection {
    int fd = -1;
    bool is_connected = false;
    bool is_busy = false;  // a request is under way
    size_t sent_bytes = 0, request_bytes = 0;
    size_t arrival = 0;  // of the request under way
    uint64_t counter = 0;
    ResponseReader reader;
  };
  struct Retry {
    uint64_t at_ns;
    Connection* connection;
  };

  static constexpr uint64_t kRetryNs = 20'000'000;
  static constexpr size_t kMostConnecting = 32;  // more would overflow a server's backlog, and wait a second for it
  static constexpr int kSendsPerTurn = 64;       // then answers are read: they must not wait for a long queue

  // -- connections ---------------------------------------------------------------------------------------------------

  void connect_all() {
    const uint64_t give_up_ns = now_ns() + uint64_t{Endpoint::kConnectMs} * 1'000'000;
    size_t begun = 0;
    while (idle_.size() < connections_.size()) {
      while (begun < connections_.size() && begun - idle_.size() < kMostConnecting) {
        begin(*connections_[begun++], now_ns());
      }
      const uint64_t now = wait(give_up_ns);
      if (!retries_.empty() || now >= give_up_ns) {
        throw std::runtime_error("cannot connect to " + work_.options.host + ":" + work_.options.port + ": only " +
                                 std::to_string(idle_.size()) + " of " + std::to_string(connections_.size()) +
                                 " connections of a thread came about" +
                                 (retries_.empty() ? "" : ", the next was refused"));
      }
    }
  }

  void begin(Connection& connection, uint64_t now) {
    connection.fd = work_.endpoint.begin_connect();
    connection.is_connected = false;
    connection.reader.clear();
    if (connection.fd < 0) {
      retries_.push_back({now + kRetryNs, &connection});
      return;
    }
    epoll_event event{};
    event.events = EPOLLIN | EPOLLOUT;
    event.data.ptr = &connection;
    epoll_ctl(epoll_, EPOLL_CTL_ADD, connection.fd, &event);
  }

  void watch(Connection& connection, bool is_writing) {
    epoll_event event{};
    event.events = is_writing ? EPOLLIN | EPOLLOUT : EPOLLIN;
    event.data.ptr = &connection;
    epoll_ctl(epoll_, EPOLL_CTL_MOD, connection.fd, &event);
  }

  void reopen(Connection& connection, uint64_t now) {
    ::close(connection.fd);
    ++tally_.reconnects;
    begin(connection, now);
  }

  void retry_connects(uint64_t now) {
    while (!retries_.empty() && retries_.front().at_ns <= now) {
      Connection& connection = *retries_.front().connection;
      retries_.pop_front();
      begin(connection, now);
    }
  }

  void connected(Connection& connection, uint64_t now) {
    if (Endpoint::connect_error(connection.fd) != 0) {
      ::close(connection.fd);
      connection.fd = -1;
      retries_.push_back({now + kRetryNs, &connection});
      return;
    }
    connection.is_connected = true;
    watch(connection, false);
    become_idle(connection, now);
  }

  void become_idle(Connection& connection, uint64_t now) {
    if (idle_.empty()) idle_since_ns_ = now;
    idle_.push_back(&connection);
  }

  // -- sending -------------------------------------------------------------------------------------------------------

  bool is_recorded(size_t arrival) const noexcept { return work_.offsets[arrival] >= record_from_ns_; }

  uint64_t send_due(uint64_t now) {
    for (int sends = 0; sends < kSendsPerTurn && !idle_.empty() && next_ < work_.offsets.size(); ++sends) {
      const uint64_t scheduled_ns = start_ns_ + work_.offsets[next_];
      if (scheduled_ns > now) break;
      Connection& connection = *idle_.back();  // the last one used: few connections while few are needed
      idle_.pop_back();
      if (is_recorded(next_)) {
        const uint64_t sendable_ns = std::max(scheduled_ns, idle_since_ns_);
        tally_.waited += sendable_ns != scheduled_ns;
        tally_.lag.record(now > sendable_ns ? now - sendable_ns : 0);
      }
      connection.arrival = next_;
      connection.counter = counter_of(next_);
      connection.is_busy = true;
      connection.sent_bytes = 0;
      ++busy_;
      next_ += work_.options.threads;
      send(connection);
      now = now_ns();
    }
    return now;
  }

  uint64_t counter_of(size_t arrival) const noexcept {
    const uint64_t first = work_.options.first_counter;
    if (requests_.is_fixed()) return first;
    return RequestSet::counter_of(first, work_.keys.is_empty() ? arrival : work_.keys[arrival]);
  }

  void send(Connection& connection) {
    const std::string& request = requests_.render(connection.counter);
    const bool was_writing = connection.sent_bytes > 0;
    connection.request_bytes = request.size();
    while (connection.sent_bytes < request.size()) {
      const ssize_t n = ::send(connection.fd, request.data() + connection.sent_bytes,
                               request.size() - connection.sent_bytes, MSG_NOSIGNAL);
      if (n > 0) {
        connection.sent_bytes += static_cast<size_t>(n);
      } else if (errno == EAGAIN) {
        if (!was_writing) watch(connection, true);
        return;
      } else if (errno != EINTR) {
        break;  // closed by the server: the next read says so
      }
    }
    if (was_writing) watch(connection, false);
  }

  // -- answers -------------------------------------------------------------------------------------------------------

  uint64_t wait(uint64_t until_ns) {
    constexpr int kMostEvents = 128;
    epoll_event events[kMostEvents];
    const uint64_t before = now_ns();
    const uint64_t wait_ns = until_ns > before ? until_ns - before : 0;
    const timespec limit{static_cast<time_t>(wait_ns / kNsPerS), static_cast<long>(wait_ns % kNsPerS)};
    const int count = epoll_wait_until(events, kMostEvents, limit);
    uint64_t now = now_ns();
    if (wait_ns > 0) {
      const uint64_t from = std::max(before, measured_from_ns_), to = std::min(now, measured_to_ns_);
      if (to > from) slept_ns_ += to - from;
    }
    for (int i = 0; i < count; ++i) {
      Connection& connection = *static_cast<Connection*>(events[i].data.ptr);
      if (!connection.is_connected) {
        connected(connection, now);
        continue;
      }
      if (events[i].events & ~static_cast<uint32_t>(EPOLLOUT)) now = read(connection, now);
      else if (connection.is_busy) send(connection);
    }
    return now;
  }

  // epoll_pwait2 (Linux 5.11) waits for nanoseconds; before it ppoll on the epoll descriptor does.
  int epoll_wait_until(epoll_event* events, int most, const timespec& limit) {
#ifdef SYS_epoll_pwait2
    if (has_pwait2_) {
      const long count = ::syscall(SYS_epoll_pwait2, epoll_, events, most, &limit, nullptr, 0);
      if (count >= 0 || errno != ENOSYS) return static_cast<int>(count);
      has_pwait2_ = false;
    }
#endif
    pollfd one{epoll_, POLLIN, 0};
    ::ppoll(&one, 1, &limit, nullptr);
    return ::epoll_wait(epoll_, events, most, 0);
  }

  uint64_t read(Connection& connection, uint64_t now) {
    char* room = connection.reader.room();
    const ssize_t n = ::recv(connection.fd, room, connection.reader.room_bytes(), 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return now;
    now = now_ns();
    if (!connection.is_busy) {
      // Closed while it was idle, or a word without a question: either way it is of no more use.
      idle_.erase(std::remove(idle_.begin(), idle_.end(), &connection), idle_.end());
      reopen(connection, now);
      return now;
    }
    if (n <= 0) {
      finish(connection, n == 0 ? connection.reader.ended() : ResponseReader::State::Broken, true, now);
      return now;
    }
    tally_.received_bytes += static_cast<uint64_t>(n);
    const ResponseReader::State state = connection.reader.added(static_cast<size_t>(n));
    if (state != ResponseReader::State::Incomplete) finish(connection, state, connection.reader.closes(), now);
    return now;
  }

  void finish(Connection& connection, ResponseReader::State state, bool must_reopen, uint64_t now) {
    const Outcome outcome = judge(connection, state);
    bump(outcome);
    if (is_recorded(connection.arrival)) record(connection, outcome, now);
    connection.is_busy = false;
    --busy_;
    // An answer that came before the whole request was sent leaves the connection in the middle of it.
    must_reopen |= state == ResponseReader::State::Broken || connection.sent_bytes < connection.request_bytes;
    if (must_reopen) {
      reopen(connection, now);
    } else {
      connection.reader.clear();
      become_idle(connection, now);
    }
  }

  Outcome judge(Connection& connection, ResponseReader::State state) {
    if (state == ResponseReader::State::Broken) return Outcome::Lost;
    const ResponseReader& reader = connection.reader;
    return check_.judge(reader.status(), reader.body(), requests_.index_of(connection.counter), connection.counter);
  }

  void record(const Connection& connection, Outcome outcome, uint64_t now) {
    const uint32_t group = requests_.group_of(connection.counter);
    const uint64_t latency_ns = now - (start_ns_ + work_.offsets[connection.arrival]);
    tally_.count(group, outcome);
    if (outcome == Outcome::Answered) {
      tally_.by_group[group].latency.record(latency_ns);
    } else if (outcome != Outcome::Lost) {
      tally_.by_group[group].other_latency.record(latency_ns);
      tally_.keep_example(outcome, connection.reader.status(), connection.reader.body());
    }
  }

  void bump(Outcome outcome) noexcept {
    std::atomic<uint64_t>& count = progress_[static_cast<size_t>(outcome)];
    count.store(count.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  }

  void count_unanswered() {
    for (const auto& connection : connections_) {
      if (!connection->is_busy) continue;
      bump(Outcome::Unanswered);
      if (is_recorded(connection->arrival)) tally_.count(requests_.group_of(connection->counter), Outcome::Unanswered);
    }
    for (; next_ < work_.offsets.size(); next_ += work_.options.threads) {
      bump(Outcome::Unanswered);
      if (is_recorded(next_)) tally_.count(requests_.group_of(counter_of(next_)), Outcome::Unanswered);
    }
  }

  const Work& work_;
  RequestSet requests_;  // a copy: rendering writes into it
  AnswerCheck check_;
  Tally tally_;
  std::atomic<uint64_t> progress_[kOutcomeCount] = {};
  int epoll_ = -1;
  bool has_pwait2_ = true;
  std::vector<std::unique_ptr<Connection>> connections_;
  std::vector<Connection*> idle_;
  std::deque<Retry> retries_;  // connections to be opened again, the earliest first
  size_t next_;                // arrival that is due next
  size_t busy_ = 0;
  uint64_t idle_since_ns_ = 0;  // when a connection became idle after none was
  uint64_t start_ns_ = 0, elapsed_ns_ = 1, slept_ns_ = 0;
  uint64_t record_from_ns_ = 0;                            // from the start; the two below by the clock
  uint64_t measured_from_ns_ = 0, measured_to_ns_ = 0;
};

}  // namespace clipper::load
