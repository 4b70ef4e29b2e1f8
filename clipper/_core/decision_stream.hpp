// What one application wants to have of its decisions, beside their being found by id: all of them, for a file; and a
// uniform sample a second, for who watches the outputs. Both are ids, looked up in the log when they are taken.
#pragma once
#include <cstddef>
#include <cstdint>
#include <deque>
#include <vector>

namespace clipper {

class DecisionFeed {
 public:
  static constexpr size_t kMaxUnfiled = 100'000;  // decisions that wait for the file; beyond, they are lost to it

  // A decision was recorded. `random`: uniform over 64 bits.
  void decided(uint64_t query_id, uint64_t random) {
    if (is_filed) {
      if (unfiled.size() < kMaxUnfiled) unfiled.push_back(query_id);
      else ++lost;
    }
    if (sample_size == 0) return;
    ++seen;
    // Reservoir sampling (Vitter 1985, algorithm R): each decision so far is in it with the same probability.
    if (sample.size() < sample_size) {
      sample.push_back(query_id);
    } else if (const uint64_t place = multiply_high(random, seen); place < sample_size) {
      sample[place] = query_id;
    }
  }
  // A decision that was not recorded stands in no file either.
  void not_recorded() noexcept { lost += is_filed; }

  // The oldest of those that wait for the file, `most` at most.
  std::vector<uint64_t> take_unfiled(size_t most) {
    const size_t count = most < unfiled.size() ? most : unfiled.size();
    std::vector<uint64_t> taken(unfiled.begin(), unfiled.begin() + static_cast<std::ptrdiff_t>(count));
    unfiled.erase(unfiled.begin(), unfiled.begin() + static_cast<std::ptrdiff_t>(count));
    return taken;
  }
  std::vector<uint64_t> take_sample() {
    std::vector<uint64_t> taken;
    taken.swap(sample);
    seen = 0;
    return taken;
  }
  uint64_t take_lost() noexcept {
    const uint64_t taken = lost;
    lost = 0;
    return taken;
  }

  bool is_filed = false;
  size_t sample_size = 0;  // 0 = no sample
  uint64_t lost = 0;       // decisions that no file will have, since it was last asked

 private:
  static uint64_t multiply_high(uint64_t random, uint64_t below) noexcept {
    __extension__ using Wide = unsigned __int128;
    return static_cast<uint64_t>((static_cast<Wide>(random) * below) >> 64);
  }
  std::deque<uint64_t> unfiled;
  std::vector<uint64_t> sample;
  uint64_t seen = 0;
};

}  // namespace clipper
