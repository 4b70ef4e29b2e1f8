// Answers of one connection leave in the order of its requests (RFC 9112 section 9.3.2).
//
// Every request takes a place in a ring when its head has been read. Bytes written for the oldest place (the head) go
// straight to `out`; bytes for a later place are held there until all places before it are done. The bookkeeping knows
// no socket: whoever owns the queue takes `out` and sends it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace clipper {

// What of a request its answer must know.
struct ReplyTraits {
  bool keep_alive = true;  // the connection stays open after this answer
  bool is_http10 = false;  // persistence must be said aloud
  bool is_head = false;    // headers only
};

class ResponseQueue {
 public:
  // Takes the next place; the first sequence is 0.
  uint64_t open(ReplyTraits traits) {
    if (open_count() == ring_.size()) grow();
    place(next_).traits = traits;
    place(next_).done = false;
    return next_++;
  }

  // Is this request still to be answered?
  bool is_open(uint64_t sequence) const noexcept {
    return !ended_ && sequence >= head_ && sequence < next_ && !place(sequence).done;
  }
  // Valid while is_open().
  ReplyTraits traits(uint64_t sequence) const noexcept { return place(sequence).traits; }
  uint64_t last_sequence() const noexcept { return next_ - 1; }
  void close_after(uint64_t sequence) noexcept { place(sequence).traits.keep_alive = false; }

  // Where the bytes of this answer go; valid until the next call. Only while is_open().
  // A place that is not done may be written too (100 Continue): its bytes leave as soon as it is the head.
  std::string& sink(uint64_t sequence) noexcept { return sequence == head_ ? out_ : place(sequence).held; }
  void written(uint64_t sequence, size_t bytes) noexcept {
    if (sequence != head_) held_bytes_ += bytes;
  }

  // The answer is whole: lets it and all that waited only for it leave. An answer that ends the connection drops the
  // places behind it, whose answers could not be delivered.
  void finish(uint64_t sequence) {
    place(sequence).done = true;
    while (head_ != next_ && place(head_).done) {
      const bool ends = !place(head_).traits.keep_alive;
      ++head_;
      if (ends) {
        drop_open();
        ended_ = true;
        return;
      }
      if (head_ != next_) release(place(head_));
    }
  }

  // The client is gone, or has been answered for the last time.
  void drop_open() noexcept {
    for (; head_ != next_; ++head_) {
      std::string().swap(place(head_).held);
    }
    held_bytes_ = 0;
  }

  // Has so much piled up that reading must pause; and has enough left that it may go on (half: hysteresis)?
  // `unread`: places whose request is not whole yet (0 or 1). They do not count: pausing would leave them so for ever.
  bool is_full(uint64_t unread, uint64_t max_requests, uint64_t max_bytes) const noexcept {
    return open_count() >= max_requests + unread || waiting_bytes() >= max_bytes;
  }
  bool has_drained(uint64_t unread, uint64_t max_requests, uint64_t max_bytes) const noexcept {
    return open_count() <= max_requests / 2 + unread && waiting_bytes() <= max_bytes / 2;
  }

  uint64_t open_count() const noexcept { return next_ - head_; }
  uint64_t held_bytes() const noexcept { return held_bytes_; }
  uint64_t waiting_bytes() const noexcept { return held_bytes_ + out_.size(); }
  // The last answer is in `out`: nothing may follow it.
  bool ended() const noexcept { return ended_; }

  const std::string& out() const noexcept { return out_; }
  // After `out` was sent. A large buffer is given back: ten thousand idle connections must not keep their largest answer.
  void clear_out() noexcept {
    if (out_.capacity() > kKeptBytes) {
      std::string().swap(out_);
    } else {
      out_.clear();
    }
  }

 private:
  struct Place {
    std::string held;
    ReplyTraits traits;
    bool done = false;
  };
  static constexpr size_t kKeptBytes = 16 * 1024;

  // The ring's size is 0 or a power of two.
  Place& place(uint64_t sequence) noexcept { return ring_[sequence & (ring_.size() - 1)]; }
  const Place& place(uint64_t sequence) const noexcept { return ring_[sequence & (ring_.size() - 1)]; }

  void release(Place& head) {
    if (head.held.empty()) return;
    held_bytes_ -= head.held.size();
    out_.append(head.held);
    std::string().swap(head.held);
  }

  void grow() {
    std::vector<Place> larger(ring_.empty() ? 1 : ring_.size() * 2);
    for (uint64_t sequence = head_; sequence != next_; ++sequence) {
      larger[sequence & (larger.size() - 1)] = std::move(place(sequence));
    }
    ring_ = std::move(larger);
  }

  std::vector<Place> ring_;
  std::string out_;
  uint64_t head_ = 0;  // oldest request not yet answered
  uint64_t next_ = 0;  // sequence of the next request
  uint64_t held_bytes_ = 0;
  bool ended_ = false;
};

}  // namespace clipper
