// Gathered, non-blocking writes to a stream socket.
#pragma once
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <limits.h>
#include <string>
#include <vector>

#include "rpc_codec.hpp"

namespace clipper {

struct WriteResult {
  uint64_t sent = 0;
  bool is_gone = false;  // nobody will read what is written here
};

// Writes the parts in their order until all are out or the socket takes no more.
inline WriteResult write_parts(int descriptor, const std::vector<FrameView>& parts) noexcept {
  WriteResult result;
  iovec window[IOV_MAX];
  size_t next = 0;       // the first part that is not out in whole
  uint64_t offset = 0;   // of it
  while (next < parts.size()) {
    size_t count = 0;
    uint64_t bytes = 0;
    for (size_t index = next; index < parts.size() && count < IOV_MAX; ++index, ++count) {
      const uint64_t skip = count == 0 ? offset : 0;
      window[count].iov_base = const_cast<char*>(parts[index].data + skip);
      window[count].iov_len = parts[index].bytes - skip;
      bytes += parts[index].bytes - skip;
    }
    msghdr message{};
    message.msg_iov = window;
    message.msg_iovlen = count;
    const ssize_t written = sendmsg(descriptor, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (written < 0) {
      if (errno == EINTR) continue;
      result.is_gone = errno != EAGAIN && errno != EWOULDBLOCK && errno != ENOBUFS;
      return result;
    }
    result.sent += static_cast<uint64_t>(written);
    offset += static_cast<uint64_t>(written);
    while (next < parts.size() && offset >= parts[next].bytes) offset -= parts[next++].bytes;
    if (static_cast<uint64_t>(written) < bytes) return result;
  }
  return result;
}

// Appends what a write of `parts` has left over.
inline void append_rest(std::string& out, const std::vector<FrameView>& parts, uint64_t sent) {
  for (const FrameView& part : parts) {
    const uint64_t skip = std::min<uint64_t>(sent, part.bytes);
    sent -= skip;
    out.append(part.data + skip, part.bytes - skip);
  }
}

}  // namespace clipper
