// When will a batch of n be done? The one prediction that early drop, admission and the dispatcher share.
#pragma once
#include <cstdint>

namespace clipper {

struct FinishEstimate {  // a batch of n dispatched now takes base_us + n * per_item_us; 0, 0 = nothing known: optimistic
  uint64_t base_us = 0;
  double per_item_us = 0.0;

  // Saturates; a slope that is negative or not a number counts as 0.
  uint64_t finish_us(uint64_t now_us, uint64_t size) const noexcept {
    constexpr uint64_t kNever = ~uint64_t{0};
    const double items_us = per_item_us > 0.0 ? per_item_us * static_cast<double>(size) : 0.0;
    if (items_us >= 9.0e18) return kNever;
    uint64_t finish = now_us;
    if (__builtin_add_overflow(finish, base_us, &finish)) return kNever;
    if (__builtin_add_overflow(finish, static_cast<uint64_t>(items_us), &finish)) return kNever;
    return finish;
  }
};

}  // namespace clipper
