// The key of the prediction cache: a secretly keyed 128-bit hash of (model version, type, length, bytes of one input).
//
// Two inputs with the same key would share an answer, so a client that can craft a collision reads somebody else's
// prediction. The hash is therefore a universal one in the sense of Carter and Wegman: its collision bound is proved
// for every pair of inputs chosen without knowledge of the seed, and rests on no assumption about a cipher. The seed
// is the whole key material, straight from the operating system; key values never leave the process, so an adversary
// learns of them nothing but "equal or not", which stays "not" until a first collision.
//
// Formula (tests/support/keyed_hash_twin.py says it in big integers)
//   p = 2^127 - 1. The seed gives k[0..129] of 64 bits, and g[0..7], numbers below 2^122.
//   The data is cut into blocks of 1024 bytes and read as little-endian 64-bit words m[0], m[1], ..; the last pair of
//   words is padded with zeros. Each block is compressed to 256 bits by NH (Black et al., UMAC, CRYPTO '99), twice:
//     A = sum over pairs i of (m[2i] +64 k[2i]  ) * (m[2i+1] +64 k[2i+1])  mod 2^128
//     B = sum over pairs i of (m[2i] +64 k[2i+2]) * (m[2i+1] +64 k[2i+3])  mod 2^128     (+64: addition mod 2^64)
//   A block's coefficient is c = A.low g[0] + A.high g[1] + B.low g[2] + B.high g[3] mod p; the first one's (0 for
//   empty data) has the header added: model_uid g[4] + element_count g[5] + (type_tag + 2^32 bytes) g[6].
//   h = the polynomial in g[7] with these coefficients, mod p, the first block's leading. The result is a bijection of
//   h (see scatter), which changes nothing in the bound.
//
// Bound. Take two different (header, data) of at most n blocks, n >= 1. First, the leading coefficient in which the
// polynomials should differ does so but with probability 2^-128 + 2^-122; call the words before g[0..6] its source.
//  * Same number of bytes, only blocks differ. Let pair i be the last that differs in some block. Fix all of k but
//    k[2i+2], k[2i+3]: that decides whether A collides, and B does if (a + k)(b + k') - (c + k)(d + k') is a certain
//    constant mod 2^128, with (a, b) != (c, d), say a != c. Fix k too: x = a +64 k and y = c +64 k differ, and
//    x u - y v = constant, u = b +64 k', v = d +64 k'. At most one k' solves this: between two solutions u and v change
//    by du and dv, equal or 2^64 apart, and x du = y dv mod 2^128. du = dv gives (x - y) du = 0, so du = 0. If not,
//    the signs are opposite and |du| + |dv| = 2^64: then 0 < x |du| + y |dv| < 2^128 cannot be 0 mod 2^128. (b != d:
//    the same with k and k' exchanged.) So B collides with probability 2^-64 at most given that A does, and by the same
//    argument A with 2^-64: the block's source stays the same with 2^-128 at most.
//  * Headers differ: the first coefficients' sources do. Numbers of blocks differ: so do the bytes in the headers, and
//    the longer one's leading coefficient, whose source is not zero, stands against none.
//  * Different sources (or a source against none) give the same coefficient with probability 2^-122 at most: the
//    difference is a sum of d_j g[j], some d_j not 0 mod p, so given the other g at most one g[j] makes it 0.
//  Then the polynomials differ, and agree in at most n - 1 values of g[7], each of probability 2^-122.
//  Together: Pr[collision] <= 2^-128 + n / 2^122. Up to 1 kB: 2^-122; 6 kB: 2^-119; 16 MiB: 2^-108. If 2^40 inputs of
//  6 kB are asked in the life of a process, some two of them collide with probability below 2^-39.
//
// Cost: two 64x64->128 multiplications for 16 bytes, and a step of the polynomial for 1024. No vector unit, no AES.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace clipper {

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "inputs are typed little-endian buffers");

struct CacheKey {
  uint64_t low = 0, high = 0;
  bool operator==(const CacheKey& other) const noexcept { return low == other.low && high == other.high; }
  bool operator!=(const CacheKey& other) const noexcept { return !(*this == other); }
};

class KeyedHash {
 public:
  // Words of a block: a longer one makes the polynomial cheaper and the key longer; 1 KiB of key stays in the L1 cache.
  static constexpr size_t kBlockWords = 128;
  static constexpr size_t kBlockBytes = 8 * kBlockWords;
  static constexpr size_t kSeedBytes = 8 * (kBlockWords + 2) + 16 * 8;

  // seed: kSeedBytes random bytes, secret, made anew by every process.
  explicit KeyedHash(const unsigned char* seed) noexcept {
    std::memcpy(keys_, seed, sizeof keys_);
    for (size_t i = 0; i < 8; ++i) {
      const char* const p = reinterpret_cast<const char*>(seed) + sizeof keys_ + 16 * i;
      factors_[i] = Factor{load(p) & kLimbMask, load(p + 8) & kLimbMask};
    }
  }

  // The key of one input. Everything that decides the answer is bound into it: the model version's uid, the input's
  // type (type_tag: whatever tells apart inputs of equal bytes), its element count, its length and its bytes.
  // bytes < 2^32, as every body is.
  CacheKey operator()(uint64_t model_uid, uint32_t type_tag, uint64_t element_count, const void* data,
                      size_t bytes) const noexcept {
    const char* p = static_cast<const char*>(data);
    size_t block_bytes = bytes < kBlockBytes ? bytes : kBlockBytes;
    Sum sum;
    sum.add(model_uid, factors_[4]);
    sum.add(element_count, factors_[5]);
    sum.add(uint64_t{bytes} << 32 | type_tag, factors_[6]);
    add_block(sum, p, block_bytes);
    uint128 h = sum.reduce();
    for (size_t left = bytes - block_bytes; left > 0; left -= block_bytes) {
      p += block_bytes;
      block_bytes = left < kBlockBytes ? left : kBlockBytes;
      Sum upper, lower;
      upper.add(static_cast<uint64_t>(h >> 64), factors_[7]);
      lower.add(static_cast<uint64_t>(h), factors_[7]);
      add_block(lower, p, block_bytes);
      h = fold_127(shift_left(upper.reduce(), 64) + lower.reduce());
    }
    return scatter(h == kPrime ? 0 : h);
  }

 private:
  __extension__ using uint128 = unsigned __int128;
  static constexpr uint128 kPrime = (uint128{1} << 127) - 1;
  static constexpr uint64_t kLimbMask = (uint64_t{1} << 61) - 1;

  // One of g[0..7]: low + 2^61 high. Limbs of 61 bits, so that a sum of eight products with 64-bit words needs no
  // carry out of 128 bits.
  struct Factor {
    uint64_t low, high;
  };

  // Arithmetic modulo p works on numbers of at most 127 bits, of which p itself stands for 0. As 2^127 = 1, what stands
  // above bit 126 is added at the bottom, and multiplying by 2^n rotates.
  static uint128 fold_127(uint128 x) noexcept {
    x = (x & kPrime) + (x >> 127);        // at most 2^127
    return (x & kPrime) + (x >> 127);
  }
  static uint128 shift_left(uint128 x, int bits) noexcept { return ((x << bits) & kPrime) | (x >> (127 - bits)); }

  // A sum of at most eight products word * factor.
  struct Sum {
    uint128 low = 0, high = 0;

    void add(uint64_t word, const Factor& factor) noexcept {
      low += uint128{word} * factor.low;
      high += uint128{word} * factor.high;
    }
    uint128 reduce() const noexcept { return fold_127(shift_left(fold_127(high), 61) + fold_127(low)); }
  };

  static uint64_t load(const char* p) noexcept {
    uint64_t word;
    std::memcpy(&word, p, 8);
    return word;
  }

  // Adds one block's coefficient.
  void add_block(Sum& sum, const char* p, size_t bytes) const noexcept {
    uint128 a = 0, b = 0;
    const uint64_t* k = keys_;
    const char* const end = p + (bytes & ~size_t{15});
    for (; p != end; p += 16, k += 2) add_pair(a, b, load(p), load(p + 8), k);
    if (const size_t rest = bytes & 15) {
      char padded[16] = {};
      std::memcpy(padded, p, rest);
      add_pair(a, b, load(padded), load(padded + 8), k);
    }
    sum.add(static_cast<uint64_t>(a), factors_[0]);
    sum.add(static_cast<uint64_t>(a >> 64), factors_[1]);
    sum.add(static_cast<uint64_t>(b), factors_[2]);
    sum.add(static_cast<uint64_t>(b >> 64), factors_[3]);
  }

  static void add_pair(uint128& a, uint128& b, uint64_t m0, uint64_t m1, const uint64_t* k) noexcept {
    a += uint128{m0 + k[0]} * (m1 + k[1]);
    b += uint128{m0 + k[2]} * (m1 + k[3]);
  }

  // Inputs in arithmetic progression (a counter) have keys in arithmetic progression, which an open-addressing table
  // takes badly. Three Feistel rounds break that up; a Feistel network is a bijection whatever its round function.
  static CacheKey scatter(uint128 h) noexcept {
    const uint64_t high = static_cast<uint64_t>(h >> 64) ^ fold(static_cast<uint64_t>(h), 0x9E3779B97F4A7C15u);
    const uint64_t low = static_cast<uint64_t>(h) ^ fold(high, 0xD6E8FEB86659FD93u);
    return CacheKey{low, high ^ fold(low, 0xA0761D6478BD642Fu)};
  }
  static uint64_t fold(uint64_t x, uint64_t odd) noexcept {
    const uint128 product = uint128{x} * odd;
    return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
  }

  uint64_t keys_[kBlockWords + 2];
  Factor factors_[8];
};

}  // namespace clipper
