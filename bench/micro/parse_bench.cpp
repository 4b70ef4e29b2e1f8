// Times the body parser by itself. Prints the median of many short rounds, in nanoseconds of this thread's CPU time per
// body, and MB/s: the machine is shared, and neither preemption nor a slow moment should count.
//   g++ -std=c++17 -O2 -Iclipper/_core bench/micro/parse_bench.cpp -o /tmp/parse_bench && /tmp/parse_bench
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <ctime>
#include <random>
#include <string>
#include <vector>

#include "predict_body.hpp"

namespace {

constexpr int kRounds = 301;

double thread_cpu_ns() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

template <class Work>
double median_ns(int repeats_per_round, Work&& work) {
  std::vector<double> rounds;
  for (int round = 0; round < kRounds; ++round) {
    const double start_ns = thread_cpu_ns();
    for (int i = 0; i < repeats_per_round; ++i) work();
    rounds.push_back((thread_cpu_ns() - start_ns) / repeats_per_round);
  }
  std::nth_element(rounds.begin(), rounds.begin() + kRounds / 2, rounds.end());
  return rounds[kRounds / 2];
}

void report(const char* name, size_t bytes, double ns) {
  std::printf("%-44s %9zu B %12.0f ns %8.0f MB/s\n", name, bytes, ns, static_cast<double>(bytes) * 1e3 / ns);
}

std::string vector_body(size_t count, const char* format, const char* separator, double low, double high) {
  std::mt19937_64 random(1);
  std::uniform_real_distribution<double> uniform(low, high);
  std::string body = "{\"input\":[";
  char text[64];
  for (size_t i = 0; i < count; ++i) {
    std::snprintf(text, sizeof text, format, uniform(random));
    body += (i == 0 ? "" : separator);
    body += text;
  }
  return body + "]}";
}

void time_body(const char* name, const std::string& body, const clipper::InputSpec& spec, int repeats) {
  clipper::ParsedBody parsed;
  const clipper::BodyLimits limits;
  if (!clipper::parse_json_body(body.data(), body.size(), spec, limits, parsed)) {
    std::printf("%-44s refused: %s %s\n", name, parsed.error_code, parsed.error_cause.c_str());
    return;
  }
  report(name, body.size(),
         median_ns(repeats, [&] { clipper::parse_json_body(body.data(), body.size(), spec, limits, parsed); }));
}

void time_validation(const char* name, const std::string& text, int repeats) {
  bool valid = true;
  const double ns = median_ns(repeats, [&] { valid &= clipper::validate_json(text.data(), text.size()); });
  report(valid ? name : "NOT VALID", text.size(), ns);
}

}  // namespace

int main() {
  using namespace clipper;
  InputSpec doubles{InputType::Doubles, DType::Float64, 0, {}};
  InputSpec doubles_784{InputType::Doubles, DType::Float64, 784, {784}};
  InputSpec floats{InputType::Floats, DType::Float32, 784, {784}};
  InputSpec integers{InputType::Integers, DType::Int32, 784, {784}};
  InputSpec halves{InputType::Tensor, DType::Float16, 784, {28, 28}};
  InputSpec strings{InputType::Strings, DType::String, 0, {}};
  InputSpec bytes{InputType::Bytes, DType::Bytes, 0, {}};

  time_body("4 doubles", "{\"input\":[0.1,0.2,0.3,0.4]}", doubles, 2000);
  const std::string fixed = vector_body(784, "%.6f", ",", 0, 1);
  time_body("784 doubles, %.6f", fixed, doubles, 20);
  time_body("784 doubles, %.6f, length declared", fixed, doubles_784, 20);
  time_body("784 doubles, %.6f, ', '", vector_body(784, "%.6f", ", ", 0, 1), doubles_784, 20);
  time_body("784 doubles, %.6g, random signs", vector_body(784, "%.6g", ",", -100, 100), doubles_784, 20);
  time_body("784 doubles, %.17g", vector_body(784, "%.17g", ",", 0, 1), doubles_784, 20);
  time_body("784 doubles, %.20e (slow path)", vector_body(784, "%.20e", ",", 0, 1), doubles_784, 20);
  std::string half_way = "{\"input\":[9007199254740993.00001";
  for (int i = 1; i < 784; ++i) half_way += ",9007199254740993.00001";
  time_body("784 doubles, just above half way", half_way + "]}", doubles_784, 20);
  time_body("784 floats, %.6f", fixed, floats, 20);
  time_body("784 float16, %.6f, flat", fixed, halves, 20);
  time_body("784 integers, 0..255", vector_body(784, "%.0f", ",", 0, 255), integers, 20);
  const std::string text(6000, 'x');
  time_body("6 kB string", "{\"input\":\"" + text + "\"}", strings, 20);
  time_body("6 kB of base64", "{\"input\":\"" + text + "\"}", bytes, 20);

  time_validation("validate_json: a scalar", "0.25", 5000);
  time_validation("validate_json: 784 numbers", fixed, 20);
  time_validation("validate_json: one 6 kB string", "\"" + text + "\"", 20);
  std::string records = "[";
  for (int i = 0; i < 100; ++i)
    records += std::string(i == 0 ? "" : ", ") + "{\"label\": \"cat\", \"score\": 0." + std::to_string(i) +
               ", \"box\": [1, 2, 3, 4], \"ok\": true}";
  time_validation("validate_json: 100 small objects", records + "]", 20);
  return 0;
}
