// Numbers in both directions: whatever text is accepted must give the very bits that the C library reads from it, and
// what is written must read back as the value it was written from.
#include <cerrno>
#include <cmath>
#include <string>

#include "element.hpp"
#include "fuzz_target.hpp"
#include "json_write.hpp"

namespace {

using namespace clipper;

template <class Real>
bool same_bits(Real a, Real b) {
  return std::memcmp(&a, &b, sizeof a) == 0;
}

template <class Real, class Read>
void check_real(const fuzz::Exact& text, const std::string& terminated, Read read) {
  const char* p = text.data();
  Real value;
  const ElementStatus status = read_element(p, text.end(), value);
  if (status == ElementStatus::Malformed || status == ElementStatus::WrongType) return;
  char* library_end = nullptr;
  const Real expected = read(terminated.c_str(), &library_end);
  if (status == ElementStatus::OutOfRange) {
    EXPECT(std::isinf(expected) && p == text.data());
    return;
  }
  // The library reads no further than JSON does: it knows hexadecimal numbers, but those have no JSON beginning "0x".
  EXPECT(p - text.data() <= library_end - terminated.c_str());
  const std::string alone(text.data(), p);
  EXPECT(same_bits(value, read(alone.c_str(), &library_end)));
  EXPECT(*library_end == '\0' && std::isfinite(value));
}

template <class Int>
void check_integer(const fuzz::Exact& text) {
  const char* p = text.data();
  Int value;
  if (read_element(p, text.end(), value) != ElementStatus::Ok) return;
  const bool is_minus_zero = std::is_unsigned_v<Int> && *text.data() == '-';  // an integer to JSON, not to the library
  Int expected;
  const auto result = std::from_chars(text.data() + is_minus_zero, p, expected);
  EXPECT(!is_minus_zero || value == 0);
  EXPECT(result.ec == std::errc() && result.ptr == p && value == expected);
}

template <class Real, class Read>
void check_written(Real value, Read read) {
  if (!std::isfinite(value)) return;
  char text[kNumberBytes + 1];
  char* const end = write_number(text, value);
  EXPECT(end - text <= static_cast<ptrdiff_t>(kNumberBytes));
  *end = '\0';
  EXPECT(same_bits(value, read(text, nullptr)));
  const fuzz::Exact exact(text, static_cast<size_t>(end - text));
  const char* p = exact.data();
  Real back;
  EXPECT(read_element(p, exact.end(), back) == ElementStatus::Ok && p == exact.end() && same_bits(value, back));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t bytes) {
  const fuzz::Exact text(reinterpret_cast<const char*>(data), bytes);
  const std::string terminated(text.data(), text.size());
  check_real<double>(text, terminated, [](const char* t, char** end) { return std::strtod(t, end); });
  check_real<float>(text, terminated, [](const char* t, char** end) { return std::strtof(t, end); });
  check_integer<int8_t>(text);
  check_integer<uint16_t>(text);
  check_integer<int32_t>(text);
  check_integer<int64_t>(text);
  check_integer<uint64_t>(text);
  const char* p = text.data();
  Float16 half;
  (void)read_element(p, text.end(), half);
  fuzz::Input input(data, bytes);
  const uint64_t bits = input.number();
  double as_double;
  float as_float;
  std::memcpy(&as_double, &bits, sizeof as_double);
  std::memcpy(&as_float, &bits, sizeof as_float);
  check_written(as_double, [](const char* t, char** end) { return std::strtod(t, end); });
  check_written(as_float, [](const char* t, char** end) { return std::strtof(t, end); });
  return 0;
}
