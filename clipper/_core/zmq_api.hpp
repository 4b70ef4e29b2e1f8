// libzmq without a header or a link line: the functions are found in the library that pyzmq has already mapped.
//
// pyzmq ships its own libzmq and no zmq.h; a second copy of the library would refuse pyzmq's sockets. The calls below
// are part of libzmq's stable C ABI (zmq.h of 4.x): zmq_msg_t is 64 opaque bytes, aligned to a pointer.
#pragma once
#include <dlfcn.h>
#include <link.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <string>

namespace clipper {

struct alignas(8) ZmqMessage { unsigned char opaque[64]; };

constexpr int kZmqDontWait = 1, kZmqSendMore = 2;       // zmq_msg_send / zmq_msg_recv flags
constexpr int kZmqOptionEvents = 15, kZmqPollIn = 1;    // zmq_getsockopt(ZMQ_EVENTS)

struct ZmqApi {
  int (*msg_init)(ZmqMessage*) = nullptr;
  int (*msg_init_size)(ZmqMessage*, size_t) = nullptr;
  int (*msg_send)(ZmqMessage*, void* socket, int flags) = nullptr;
  int (*msg_recv)(ZmqMessage*, void* socket, int flags) = nullptr;
  int (*msg_close)(ZmqMessage*) = nullptr;
  int (*msg_more)(const ZmqMessage*) = nullptr;
  void* (*msg_data)(ZmqMessage*) = nullptr;
  size_t (*msg_size)(const ZmqMessage*) = nullptr;
  int (*getsockopt)(void* socket, int option, void* value, size_t* value_bytes) = nullptr;
  int (*zmq_errno)() = nullptr;

  // Call after `import zmq`. False: `error` says what was not found.
  bool load(std::string& error) {
    std::string path;
    dl_iterate_phdr(
        [](dl_phdr_info* info, size_t, void* found) {
          const char* name = info->dlpi_name != nullptr ? info->dlpi_name : "";
          const char* base = std::strrchr(name, '/');
          base = base != nullptr ? base + 1 : name;
          if (std::strncmp(base, "libzmq", 6) != 0) return 0;
          *static_cast<std::string*>(found) = name;
          return 1;
        },
        &path);
    // A pyzmq that was built with libzmq inside has no library of that name: its symbols are then global or absent.
    void* library = path.empty() ? RTLD_DEFAULT : dlopen(path.c_str(), RTLD_NOLOAD | RTLD_LAZY);
    bool complete = true;
    auto find = [&](const char* name, auto& function) {
      function = reinterpret_cast<std::decay_t<decltype(function)>>(dlsym(library, name));
      if (function == nullptr) {
        complete = false;
        error = std::string("libzmq's function ") + name + " was not found in " + (path.empty() ? "this process" : path);
      }
    };
    find("zmq_msg_init", msg_init);
    find("zmq_msg_init_size", msg_init_size);
    find("zmq_msg_send", msg_send);
    find("zmq_msg_recv", msg_recv);
    find("zmq_msg_close", msg_close);
    find("zmq_msg_more", msg_more);
    find("zmq_msg_data", msg_data);
    find("zmq_msg_size", msg_size);
    find("zmq_getsockopt", getsockopt);
    find("zmq_errno", zmq_errno);
    return complete;
  }
};

}  // namespace clipper
