// Pieces of a decision as JSON on one line.
#pragma once
#include <cmath>
#include <cstddef>
#include <string>

#include "json_write.hpp"
#include "output.hpp"

namespace clipper {

// JSON cannot write NaN and infinity, which a binary body may hold: null stands for them.
inline void append_double(std::string& text, double value) {
  if (!std::isfinite(value)) {
    text.append("null");
    return;
  }
  char digits[kNumberBytes];
  text.append(digits, write_number(digits, value));
}

// An output is JSON, checked when it came in: a line break in it is whitespace between tokens, never within a string.
inline void append_on_one_line(std::string& text, const Output* output) {
  const size_t begin = text.size();
  text.append(output->text, output->bytes);
  for (size_t i = begin; i < text.size(); ++i) {
    if (text[i] == '\n' || text[i] == '\r') text[i] = ' ';
  }
}

inline void append_doubles(std::string& text, const double* values, size_t count) {
  text.push_back('[');
  for (size_t i = 0; i < count; ++i) {
    if (i != 0) text.push_back(',');
    append_double(text, values[i]);
  }
  text.push_back(']');
}

}  // namespace clipper
