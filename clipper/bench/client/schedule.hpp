// The arrivals, made by clipper/bench/schedule.py: a file of int64, nanoseconds from the start, sorted; mapped, not
// read, so that tens of millions cost nothing before they are due. A second file of the same length may choose the
// request of each arrival.
#pragma once

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdint>
#include <stdexcept>
#include <string>
#include <utility>

namespace clipper::load {

class Int64File {
 public:
  Int64File() = default;

  explicit Int64File(const std::string& path) {
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    struct stat about {};
    if (fd < 0 || ::fstat(fd, &about) != 0) throw std::runtime_error("cannot read " + path);
    bytes_ = static_cast<size_t>(about.st_size);
    if (bytes_ > 0) {
      // Read ahead: a page fault in the middle of a run would be the client's own lag.
      data_ = ::mmap(nullptr, bytes_, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
    }
    ::close(fd);
    if (data_ == MAP_FAILED) throw std::runtime_error("cannot map " + path);
    if (bytes_ % sizeof(int64_t) != 0) throw std::runtime_error("not a file of 64-bit numbers: " + path);
  }

  Int64File(Int64File&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}
  Int64File& operator=(Int64File&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~Int64File() {
    if (data_ != nullptr && data_ != MAP_FAILED) ::munmap(data_, bytes_);
  }

  size_t size() const noexcept { return bytes_ / sizeof(int64_t); }
  bool is_empty() const noexcept { return bytes_ == 0; }
  uint64_t operator[](size_t i) const noexcept { return static_cast<uint64_t>(static_cast<const int64_t*>(data_)[i]); }

 private:
  void* data_ = nullptr;
  size_t bytes_ = 0;
};

}  // namespace clipper::load
