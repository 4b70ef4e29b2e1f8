// A whole run of the load client with several threads (std::thread), against a server in this process that answers,
// hangs up, and takes large requests slowly. Under the sanitizers this is where races and leaks would show.
#include "load_client.hpp"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>

#include <atomic>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "check.hpp"

namespace {

using clipper::load::LoadClient;
using clipper::load::Options;

// Answers each request of a known size with its last eight bytes; closes the connection instead of every nth answer.
class Server {
 public:
  Server(size_t request_bytes, uint64_t hangs_up_every)
      : request_bytes_(request_bytes), hangs_up_every_(hangs_up_every), listening_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    CHECK(::bind(listening_, reinterpret_cast<sockaddr*>(&address), length) == 0 && ::listen(listening_, 128) == 0);
    ::getsockname(listening_, reinterpret_cast<sockaddr*>(&address), &length);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { serve(); });
  }
  ~Server() {
    is_over_ = true;
    thread_.join();
  }
  std::string port() const { return std::to_string(port_); }

 private:
  struct Peer {
    int fd;
    std::string received;
  };

  void serve() {
    std::vector<Peer> peers;
    while (!is_over_) {
      std::vector<pollfd> polled{{listening_, POLLIN, 0}};
      for (const Peer& peer : peers) polled.push_back({peer.fd, POLLIN, 0});
      ::poll(polled.data(), polled.size(), 10);
      if (polled[0].revents) peers.push_back({::accept(listening_, nullptr, nullptr), ""});
      for (size_t i = polled.size() - 1; i > 0; --i) {
        if (polled[i].revents && !read(peers[i - 1])) {
          ::close(peers[i - 1].fd);
          peers.erase(peers.begin() + static_cast<long>(i - 1));
        }
      }
    }
    for (const Peer& peer : peers) ::close(peer.fd);
    ::close(listening_);
  }

  bool read(Peer& peer) {
    char bytes[65536];
    const ssize_t n = ::recv(peer.fd, bytes, sizeof bytes, 0);
    if (n <= 0) return false;
    peer.received.append(bytes, static_cast<size_t>(n));
    if (peer.received.size() < request_bytes_) return true;
    CHECK(peer.received.size() == request_bytes_);
    if (hangs_up_every_ != 0 && ++answered_ % hangs_up_every_ == 0) return false;
    const std::string answer = "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n" + peer.received.substr(request_bytes_ - 8);
    peer.received.clear();
    return ::send(peer.fd, answer.data(), answer.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(answer.size());
  }

  const size_t request_bytes_;
  const uint64_t hangs_up_every_;
  const int listening_;
  uint16_t port_ = 0;
  uint64_t answered_ = 0;
  std::atomic<bool> is_over_{false};
  std::thread thread_;
};

std::string write(const std::string& directory, const std::string& name, const std::string& content) {
  std::ofstream(directory + "/" + name, std::ios::binary) << content;
  return directory + "/" + name;
}

// Runs the client for a quarter of a second of evenly spaced arrivals; returns what it prints.
std::string run(size_t body_bytes, uint64_t hangs_up_every, size_t arrivals, uint32_t threads) {
  char name[] = "/tmp/clipper-load-XXXXXX";
  const std::string directory = ::mkdtemp(name);
  const std::string head = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: " + std::to_string(body_bytes) + "\r\n\r\n";
  const std::string before = head + std::string(body_bytes - 8, 'x');
  std::string offsets;
  for (size_t i = 0; i < arrivals; ++i) {
    const int64_t offset = static_cast<int64_t>(250'000'000 * i / arrivals);
    offsets.append(reinterpret_cast<const char*>(&offset), sizeof offset);
  }
  Server server(before.size() + 8, hangs_up_every);
  Options options;
  options.host = "localhost";
  options.port = server.port();
  options.requests_file = write(directory, "requests", "digits 1\n" + std::to_string(before.size()) + " 0\n" + before);
  options.checks_file = write(directory, "checks", "status -1 3\n200\necho -1 0\n\n");
  options.offsets_file = write(directory, "offsets", offsets);
  options.duration_s = 0.25;
  options.drain_s = 20;
  options.progress_s = 0.05;
  options.connections = 8;
  options.threads = threads;
  const std::string output = directory + "/output";
  std::FILE* out = std::fopen(output.c_str(), "w");
  LoadClient client(options);
  client.run(out);
  client.write_json(out);
  std::fclose(out);
  std::ifstream in(output);
  std::string line, last;
  while (std::getline(in, line)) last = line;
  for (const char* file : {"requests", "checks", "offsets", "output"}) ::unlink((directory + "/" + file).c_str());
  ::rmdir(directory.c_str());
  return last;
}

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

void test_threads_share_the_arrivals_and_each_is_answered_once() {
  const std::string result = run(100, 0, 400, 3);
  CHECK(has(result, "\"answered\":400,\"default\":0,\"rejected\":0,\"bad_status\":0,\"wrong_answer\":0,\"lost\":0,\"unanswered\":0"));
  CHECK(has(result, "\"next_counter\":10000400"));
}

void test_request_larger_than_the_socket_buffer_is_sent_in_parts() {
  CHECK(has(run(6'000'000, 0, 12, 2), "\"answered\":12,"));
}

void test_connection_that_is_hung_up_is_opened_again() {
  const std::string result = run(100, 40, 400, 2);
  CHECK(has(result, "\"answered\":390,"));
  CHECK(has(result, "\"lost\":10,"));
}

}  // namespace

int main() {
  test_threads_share_the_arrivals_and_each_is_answered_once();
  test_request_larger_than_the_socket_buffer_is_sent_in_parts();
  test_connection_that_is_hung_up_is_opened_again();
  return check::result();
}
