// Growing bytes that are not cleared: for buffers that are written before they are read.
//
// A std::vector<char> clears what resize() adds, for each large body anew; and one with an allocator that does not clear
// moves byte by byte when it grows. realloc does neither.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <new>

namespace clipper {

class RawBytes {
 public:
  RawBytes() = default;
  RawBytes(const RawBytes&) = delete;
  RawBytes& operator=(const RawBytes&) = delete;
  ~RawBytes() { std::free(data_); }

  char* data() noexcept { return data_; }
  const char* data() const noexcept { return data_; }
  size_t size() const noexcept { return size_; }
  size_t capacity() const noexcept { return capacity_; }
  bool empty() const noexcept { return size_ == 0; }

  // What is added is indeterminate. Throws std::bad_alloc, and is then as before.
  void resize(size_t size) {
    if (size > capacity_) {
      void* moved = std::realloc(data_, size);
      if (moved == nullptr) throw std::bad_alloc();
      data_ = static_cast<char*>(moved);
      capacity_ = size;
    }
    size_ = size;
  }

  void assign(const char* bytes, size_t size) {
    resize(size);
    if (size != 0) std::memcpy(data_, bytes, size);
  }

  void clear() noexcept { size_ = 0; }

  // Empties it and gives the memory back.
  void release() noexcept {
    std::free(data_);
    data_ = nullptr;
    size_ = capacity_ = 0;
  }

 private:
  char* data_ = nullptr;
  size_t size_ = 0;
  size_t capacity_ = 0;
};

}  // namespace clipper
