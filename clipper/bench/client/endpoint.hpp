// Where the requests go: a host name or an address, v4 or v6, and a port. Which of a name's addresses is used is
// decided once, by connecting.
#pragma once

#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <string>

namespace clipper::load {

class Endpoint {
 public:
  static constexpr int kConnectMs = 10'000;

  // Throws, with what the last address said, if none can be connected to.
  static Endpoint find(const std::string& host, const std::string& port) {
    addrinfo hints{};
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    const int code = ::getaddrinfo(host.c_str(), port.c_str(), &hints, &found);
    if (code != 0) throw std::runtime_error("cannot resolve " + host + ": " + ::gai_strerror(code));
    const std::unique_ptr<addrinfo, void (*)(addrinfo*)> guard(found, ::freeaddrinfo);
    int error = 0;
    for (const addrinfo* one = found; one != nullptr; one = one->ai_next) {
      Endpoint endpoint;
      std::memcpy(&endpoint.address_, one->ai_addr, one->ai_addrlen);
      endpoint.length_ = one->ai_addrlen;
      error = endpoint.probe();
      if (error == 0) return endpoint;
    }
    throw std::runtime_error("cannot connect to " + host + ":" + port + ": " + std::strerror(error));
  }

  // Begins to connect; the descriptor is non-blocking, and -1 with `errno` set if it cannot even begin.
  int begin_connect() const noexcept {
    const int fd = ::socket(address_.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return -1;
    const int on = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (::connect(fd, reinterpret_cast<const sockaddr*>(&address_), length_) != 0 && errno != EINPROGRESS) {
      const int error = errno;
      ::close(fd);
      errno = error;
      return -1;
    }
    return fd;
  }

  // What became of a connection that was begun; 0 if it stands.
  static int connect_error(int fd) noexcept {
    int error = 0;
    socklen_t length = sizeof error;
    return ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) == 0 ? error : errno;
  }

 private:
  int probe() const noexcept {
    const int fd = begin_connect();
    if (fd < 0) return errno;
    pollfd one{fd, POLLOUT, 0};
    const int ready = ::poll(&one, 1, kConnectMs);
    const int error = ready == 1 ? connect_error(fd) : ETIMEDOUT;
    ::close(fd);
    return error;
  }

  sockaddr_storage address_{};
  socklen_t length_ = 0;
};

// Takes as many descriptors as the system gives, and says so early if that is too few.
inline void need_descriptors(uint64_t count) {
  constexpr uint64_t kOthers = 32;
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
  if (limit.rlim_max != RLIM_INFINITY && limit.rlim_max < count + kOthers) {
    throw std::runtime_error(std::to_string(count) + " connections need more open files than the " +
                             std::to_string(limit.rlim_max) + " that this system allows (ulimit -Hn)");
  }
}

}  // namespace clipper::load
