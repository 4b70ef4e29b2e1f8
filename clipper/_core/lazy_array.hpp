// A fixed array of zeros that takes memory only where it has been touched, a page at a time.
//
// It is how the prediction cache grows without ever moving anything: the array is as large as the budget could need
// from the start, and the kernel brings its pages in one by one (about a microsecond each), where a table that doubles
// must rehash a million entries in one go or carry two tables about for a while.
#pragma once
#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <new>
#include <type_traits>

namespace clipper {

template <typename T>
class LazyArray {
  static_assert(std::is_trivially_copyable<T>::value && std::is_trivially_destructible<T>::value,
                "elements begin as zero bytes and are never destroyed");

 public:
  // Throws std::bad_alloc if the address space is refused.
  explicit LazyArray(size_t count) : count_(count) {
    if (count == 0) return;
    void* const memory = ::mmap(nullptr, count * sizeof(T), PROT_READ | PROT_WRITE,
                                MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    data_ = static_cast<T*>(memory);
  }
  LazyArray(const LazyArray&) = delete;
  LazyArray& operator=(const LazyArray&) = delete;
  ~LazyArray() {
    if (data_ != nullptr) ::munmap(data_, count_ * sizeof(T));
  }

  T* data() noexcept { return data_; }
  const T* data() const noexcept { return data_; }
  T& operator[](size_t index) noexcept { return data_[index]; }
  const T& operator[](size_t index) const noexcept { return data_[index]; }
  size_t size() const noexcept { return count_; }

  // Gives back the pages that lie wholly in [first, last); what they held is zero afterwards.
  void release(size_t first, size_t last) noexcept {
    static const size_t page_bytes = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
    const size_t begin = (first * sizeof(T) + page_bytes - 1) / page_bytes * page_bytes;
    const size_t end = last * sizeof(T) / page_bytes * page_bytes;
    if (begin < end) ::madvise(reinterpret_cast<char*>(data_) + begin, end - begin, MADV_DONTNEED);
  }

 private:
  T* data_ = nullptr;
  size_t count_;
};

}  // namespace clipper
