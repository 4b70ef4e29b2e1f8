// Open-loop HTTP client: requests leave when a seeded Poisson process says so, whether or not the server keeps up, and
// latency counts from the *scheduled* arrival, so a stall of the server is paid for by everything that should have been
// sent meanwhile (no coordinated omission). One thread, epoll, keep-alive connections, one request at a time on each.
//
// It also measures itself: `lag` is how long a request that had a connection waited for this program, `idle_ratio` how
// much of the time it slept. The caller voids a run in which the client fell behind (bench/loadgen/open_loop.py).
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cmath>
#include <deque>
#include <memory>
#include <random>

#include "log_histogram.hpp"
#include "options.hpp"
#include "request_template.hpp"
#include "response_reader.hpp"

namespace bench {
namespace {

constexpr uint64_t kNsPerS = 1'000'000'000;

uint64_t now_ns() noexcept {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * kNsPerS + static_cast<uint64_t>(now.tv_nsec);
}

uint64_t seconds(double value) noexcept { return static_cast<uint64_t>(value * 1e9); }

struct Connection {
  int fd = -1;
  bool is_waiting = false;    // for an answer
  uint64_t scheduled_ns = 0;  // of the request under way
  uint64_t counter = 0;
  ResponseReader reader;
};

struct Counts {
  uint64_t scheduled = 0, completed = 0, bad_status = 0, wrong_answer = 0, lost = 0, unanswered = 0, waited = 0;
};

class OpenLoop {
 public:
  explicit OpenLoop(const Options& options)
      : options_(options),
        requests_(RequestTemplate::load(options.template_path)),
        random_(options.seed),
        next_counter_(options.first_counter) {
    epoll_ = epoll_create1(EPOLL_CLOEXEC);
    if (epoll_ < 0) throw std::runtime_error("epoll_create1 failed");
    for (uint32_t i = 0; i < options.connections; ++i) {
      connections_.push_back(std::make_unique<Connection>());
      open(*connections_.back());
      idle_.push_back(connections_.back().get());
    }
  }

  void run() {
    const uint64_t start = now_ns() + kNsPerS / 100;
    record_from_ns_ = start + seconds(options_.warmup_s);
    end_ns_ = record_from_ns_ + seconds(options_.duration_s);
    const uint64_t give_up_ns = end_ns_ + seconds(options_.drain_s);
    next_arrival_ns_ = start;
    idle_since_ns_ = start;
    uint64_t now = now_ns();
    while (now < give_up_ns) {
      take_arrivals(now);
      send_due();
      const bool is_over = next_arrival_ns_ >= end_ns_ && due_.empty();
      if (is_over && idle_.size() == connections_.size()) break;
      now = wait(is_over || !idle_or_no_arrival() ? give_up_ns : next_arrival_ns_);
    }
    elapsed_ns_ = now_ns() - start;
    for (const auto& connection : connections_) {
      if (connection->is_waiting && connection->scheduled_ns >= record_from_ns_) ++counts_.unanswered;
    }
    for (const uint64_t scheduled : due_) counts_.unanswered += scheduled >= record_from_ns_;
  }

  void write_json(std::FILE* out) const {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    const auto cpu_us = [](const timeval& t) { return static_cast<long long>(t.tv_sec) * 1'000'000 + t.tv_usec; };
    const auto number = [&](const char* name, uint64_t value) {
      std::fprintf(out, "\"%s\":%llu,", name, static_cast<unsigned long long>(value));
    };
    std::fputc('{', out);
    number("scheduled", counts_.scheduled);
    number("completed", counts_.completed);
    number("bad_status", counts_.bad_status);
    number("wrong_answer", counts_.wrong_answer);
    number("lost", counts_.lost);
    number("unanswered", counts_.unanswered);
    number("waited", counts_.waited);
    number("next_counter", next_counter_);
    number("elapsed_us", elapsed_ns_ / 1000);
    std::fprintf(out, "\"idle_ratio\":%.4f,", static_cast<double>(slept_ns_) / static_cast<double>(elapsed_ns_));
    std::fprintf(out, "\"cpu_us\":%lld,\"latency_ns\":", cpu_us(usage.ru_utime) + cpu_us(usage.ru_stime));
    latency_.write_json(out);
    std::fputs(",\"lag_ns\":", out);
    lag_.write_json(out);
    std::fputs("}\n", out);
  }

 private:
  void open(Connection& connection) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(options_.port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connection.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connection.fd < 0 || connect(connection.fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
      throw std::runtime_error("cannot connect to 127.0.0.1:" + std::to_string(options_.port));
    }
    const int on = 1;
    setsockopt(connection.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    fcntl(connection.fd, F_SETFL, fcntl(connection.fd, F_GETFL) | O_NONBLOCK);
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.ptr = &connection;
    epoll_ctl(epoll_, EPOLL_CTL_ADD, connection.fd, &event);
  }

  bool idle_or_no_arrival() const noexcept { return due_.empty() || !idle_.empty(); }

  void take_arrivals(uint64_t now) {
    while (next_arrival_ns_ <= now && next_arrival_ns_ < end_ns_) {
      due_.push_back(next_arrival_ns_);
      counts_.scheduled += next_arrival_ns_ >= record_from_ns_;
      // 53 random bits in (0, 1]; our own exponential, as the library's differs between implementations.
      const double uniform = (static_cast<double>(random_() >> 11) + 1.0) * 0x1p-53;
      next_arrival_ns_ += static_cast<uint64_t>(-std::log(uniform) * 1e9 / options_.rate_per_s);
    }
  }

  void send_due() {
    while (!due_.empty() && !idle_.empty()) {
      Connection& connection = *idle_.back();  // the last one used: few connections while few are needed
      idle_.pop_back();
      connection.scheduled_ns = due_.front();
      due_.pop_front();
      connection.counter = next_counter_;
      if (!requests_.is_fixed()) ++next_counter_;
      if (connection.scheduled_ns >= record_from_ns_) {
        const uint64_t sendable_ns = std::max(connection.scheduled_ns, idle_since_ns_);
        counts_.waited += sendable_ns != connection.scheduled_ns;
        const uint64_t now = now_ns();
        lag_.record(now > sendable_ns ? now - sendable_ns : 0);
      }
      connection.is_waiting = true;
      connection.reader.clear();
      send_all(connection, requests_.render(connection.counter));
    }
  }

  // A request is far smaller than a socket buffer, so that a short write is rare; then it waits for the rest.
  void send_all(Connection& connection, const std::string& request) {
    size_t sent = 0;
    while (sent < request.size()) {
      const ssize_t n = send(connection.fd, request.data() + sent, request.size() - sent, MSG_NOSIGNAL);
      if (n > 0) {
        sent += static_cast<size_t>(n);
      } else if (errno != EAGAIN && errno != EINTR) {
        return;  // closed by the server: the next read says so
      }
    }
  }

  uint64_t wait(uint64_t until_ns) {
    const uint64_t before = now_ns();
    const uint64_t wait_ns = until_ns > before ? until_ns - before : 0;
    const timespec limit{static_cast<time_t>(wait_ns / kNsPerS), static_cast<long>(wait_ns % kNsPerS)};
    epoll_event events[256];
    const int count = epoll_pwait2(epoll_, events, 256, &limit, nullptr);
    const uint64_t after = now_ns();
    if (wait_ns > 0) slept_ns_ += after - before;
    for (int i = 0; i < count; ++i) read(*static_cast<Connection*>(events[i].data.ptr));
    return now_ns();
  }

  void read(Connection& connection) {
    constexpr size_t kReadBytes = 4096;
    char* room = connection.reader.room(kReadBytes);
    const ssize_t n = recv(connection.fd, room, connection.reader.room_bytes(), 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (n <= 0) return finish(connection, ResponseReader::State::Broken, true);
    const ResponseReader::State state = connection.reader.added(static_cast<size_t>(n));
    if (state != ResponseReader::State::Incomplete) finish(connection, state, connection.reader.closes());
  }

  void finish(Connection& connection, ResponseReader::State state, bool must_reopen) {
    const uint64_t now = now_ns();
    const bool was_waiting = connection.is_waiting;
    connection.is_waiting = false;
    if (was_waiting && connection.scheduled_ns >= record_from_ns_) judge(connection, state, now);
    if (must_reopen || state == ResponseReader::State::Broken) {
      close(connection.fd);
      connection.reader.clear();
      open(connection);
    }
    if (!was_waiting) return;
    if (idle_.empty()) idle_since_ns_ = now;
    idle_.push_back(&connection);
  }

  void judge(const Connection& connection, ResponseReader::State state, uint64_t now) {
    if (state == ResponseReader::State::Broken) {
      ++counts_.lost;
    } else if (connection.reader.status() != 200) {
      ++counts_.bad_status;
    } else if (!is_right(connection)) {
      ++counts_.wrong_answer;
    } else {
      ++counts_.completed;
      latency_.record(now - connection.scheduled_ns);
    }
  }

  bool is_right(const Connection& connection) const noexcept {
    const std::string_view body = connection.reader.body();
    if (options_.must_echo_counter) {
      char digits[RequestTemplate::kHoleBytes];
      RequestTemplate::write_digits(connection.counter, digits);
      if (memmem(body.data(), body.size(), digits, sizeof digits) == nullptr) return false;
    }
    for (const std::string& text : options_.accept) {
      if (body.find(text) != std::string_view::npos) return true;
    }
    return options_.accept.empty();
  }

  const Options options_;
  RequestTemplate requests_;
  std::mt19937_64 random_;
  uint64_t next_counter_;
  int epoll_ = -1;
  std::vector<std::unique_ptr<Connection>> connections_;
  std::vector<Connection*> idle_;
  std::deque<uint64_t> due_;    // scheduled arrivals that found no idle connection yet
  uint64_t idle_since_ns_ = 0;  // when a connection became idle after none was
  uint64_t record_from_ns_ = 0, end_ns_ = 0, next_arrival_ns_ = 0, elapsed_ns_ = 1, slept_ns_ = 0;
  Counts counts_;
  LogHistogram latency_, lag_;
};

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
  try {
    // Before the server in line for a processor, where the system allows it: who waits for the client's own turn would
    // be counted as slow. What it uses is reported.
    setpriority(PRIO_PROCESS, 0, -10);
    bench::OpenLoop loop(bench::Options::parse(argc, argv));
    loop.run();
    loop.write_json(stdout);
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "open_loop: %s\n", error.what());
    return 2;
  }
}
