// The draw of a sticky plan: it depends on the context alone, so the same user gets the same model. Defined, for Python
// too, by clipper/selection/sticky.py: FNV-1a over the text, then the finaliser of splitmix64 (Steele et al., OOPSLA
// 2014), which spreads what FNV leaves in the low bits.
#pragma once
#include <cstdint>
#include <string_view>

namespace clipper {

// What stands for a uniform 64-bit random number.
inline uint64_t word_of_context(std::string_view context) noexcept {
  uint64_t word = 0xCBF29CE484222325u;
  for (const char byte : context) word = (word ^ static_cast<unsigned char>(byte)) * 0x100000001B3u;
  word = (word ^ (word >> 30)) * 0xBF58476D1CE4E5B9u;
  word = (word ^ (word >> 27)) * 0x94D049BB133111EBu;
  return word ^ (word >> 31);
}

}  // namespace clipper
