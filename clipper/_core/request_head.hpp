// What of a request's head is kept: a few flags and numbers, no copy of any header.
//
// httptools (llhttp) parses and is strict about most of what request smuggling needs; what it lets pass is refused here:
// any Transfer-Encoding but a single `chunked`, repeated fields of which only one can be meant.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace clipper {

enum class Method : uint8_t { Get = 0, Head = 1, Post = 2, Options = 3, Other = 4 };

inline Method method_of(std::string_view name) noexcept {
  if (name == "POST") return Method::Post;
  if (name == "GET") return Method::Get;
  if (name == "HEAD") return Method::Head;
  if (name == "OPTIONS") return Method::Options;
  return Method::Other;
}

// Why a request is not served. Both texts are literals. status 0: no reason.
struct Refusal {
  int status = 0;
  const char* code = nullptr;   // stable
  const char* cause = nullptr;  // what, where, what was expected
};

class RequestHead {
 public:
  bool has_content_length = false;
  bool is_chunked = false;
  bool expects_continue = false;
  bool is_binary = false;       // Content-Type: application/octet-stream
  bool has_connection = false;  // a Connection header, whatever it says
  bool has_upgrade = false;
  bool is_traced = false;       // Clipper-Trace: 1
  uint64_t content_length = 0;
  uint64_t clipper_batch = 0;  // 0 = absent
  uint64_t field_bytes = 0;    // header fields as "name: value\r\n", and the empty line
  Refusal refusal;             // the first thing wrong

  void clear() noexcept { *this = RequestHead(); }

  // One header field. Told apart by length and first letter, so that an unknown one costs a jump.
  void add(const char* name, size_t name_bytes, const char* value, size_t value_bytes) noexcept {
    field_bytes += name_bytes + value_bytes + 4;
    const std::string_view field(name, name_bytes);
    switch (name_bytes) {
      case 4:
        if (is(field, "host")) once(kHost);
        break;
      case 6:
        if (is(field, "expect")) add_expect(trimmed(value, value_bytes));
        break;
      case 7:
        if (is(field, "upgrade")) has_upgrade = true;
        break;
      case 10:
        if (is(field, "connection")) has_connection = true;
        break;
      case 12:
        if (is(field, "content-type")) add_content_type(trimmed(value, value_bytes));
        break;
      case 13:
        if (is(field, "clipper-batch")) add_clipper_batch(trimmed(value, value_bytes));
        else if (is(field, "clipper-trace")) add_clipper_trace(trimmed(value, value_bytes));
        break;
      case 14:
        if (is(field, "content-length")) add_content_length(trimmed(value, value_bytes));
        break;
      case 16:
        if (is(field, "content-encoding")) add_content_encoding(trimmed(value, value_bytes));
        break;
      case 17:
        if (is(field, "transfer-encoding")) add_transfer_encoding(trimmed(value, value_bytes));
        break;
      default:
        break;
    }
  }

 private:
  enum Single : uint8_t { kHost = 1, kExpect = 2, kType = 4, kBatch = 8, kLength = 16, kEncoding = 32, kTransfer = 64, kTrace = 128 };
  static constexpr uint64_t kMaxBatch = 1ULL << 32;  // far beyond any limit on inputs; keeps products in 64 bits

  uint8_t seen_ = 0;  // Single flags

  static char lower(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; }

  // `expected` in lower case.
  static bool is(std::string_view text, std::string_view expected) noexcept {
    if (text.size() != expected.size() || lower(text[0]) != expected[0]) return false;
    for (size_t i = 1; i < text.size(); ++i) {
      if (lower(text[i]) != expected[i]) return false;
    }
    return true;
  }

  static std::string_view trimmed(const char* value, size_t bytes) noexcept {
    while (bytes != 0 && (*value == ' ' || *value == '\t')) ++value, --bytes;
    while (bytes != 0 && (value[bytes - 1] == ' ' || value[bytes - 1] == '\t')) --bytes;
    return {value, bytes};
  }

  // Digits alone, at most `max`; false otherwise.
  static bool parse_decimal(std::string_view text, uint64_t max, uint64_t& number) noexcept {
    if (text.empty()) return false;
    number = 0;
    for (const char c : text) {
      if (c < '0' || c > '9') return false;
      const auto digit = static_cast<uint64_t>(c - '0');
      if (number > (max - digit) / 10) return false;
      number = number * 10 + digit;
    }
    return true;
  }

  void refuse(int status, const char* code, const char* cause) noexcept {
    if (refusal.status == 0) refusal = {status, code, cause};
  }

  bool once(Single field) noexcept {
    if ((seen_ & field) != 0) {
      refuse(400, "duplicate_header", "a header of which only one can be meant (Host, Content-Length, Content-Type, "
             "Content-Encoding, Transfer-Encoding, Expect, Clipper-Batch, Clipper-Trace) is given twice");
      return false;
    }
    seen_ = static_cast<uint8_t>(seen_ | field);
    return true;
  }

  void add_expect(std::string_view value) noexcept {
    if (!once(kExpect)) return;
    if (is(value, "100-continue")) {
      expects_continue = true;
    } else {
      refuse(417, "expectation_failed", "the only expectation that can be met is 100-continue");
    }
  }

  void add_content_type(std::string_view value) noexcept {
    if (!once(kType)) return;
    constexpr std::string_view kOctets = "application/octet-stream";
    if (value.size() < kOctets.size() || !is(value.substr(0, kOctets.size()), kOctets)) return;
    const std::string_view rest = value.substr(kOctets.size());
    is_binary = rest.empty() || rest[0] == ';' || rest[0] == ' ' || rest[0] == '\t';
  }

  void add_clipper_batch(std::string_view value) noexcept {
    if (!once(kBatch)) return;
    if (!parse_decimal(value, kMaxBatch, clipper_batch) || clipper_batch == 0) {
      refuse(400, "invalid_header", "Clipper-Batch must be a positive decimal number of inputs");
    }
  }

  void add_clipper_trace(std::string_view value) noexcept {
    if (!once(kTrace)) return;
    is_traced = value == "1";
    if (!is_traced && value != "0") refuse(400, "invalid_header", "Clipper-Trace must be 0 or 1");
  }

  void add_content_length(std::string_view value) noexcept {
    if (!once(kLength)) return;
    has_content_length = true;
    if (!parse_decimal(value, UINT64_MAX / 2, content_length)) {
      refuse(400, "malformed_request", "Content-Length must be a decimal number of bytes");
    }
  }

  void add_content_encoding(std::string_view value) noexcept {
    if (!once(kEncoding)) return;
    if (!is(value, "identity") && !value.empty()) {
      refuse(415, "unsupported_encoding", "a compressed body cannot be read: send it without Content-Encoding");
    }
  }

  // RFC 9112 section 6.1: only `chunked`, and only once. Other codings we do not speak, and lists are how two servers
  // come to disagree about where a request ends.
  void add_transfer_encoding(std::string_view value) noexcept {
    if (!once(kTransfer)) return;
    is_chunked = is(value, "chunked");
    if (!is_chunked) refuse(400, "malformed_request", "the only Transfer-Encoding that is accepted is chunked");
  }
};

}  // namespace clipper
