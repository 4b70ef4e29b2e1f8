// Response heads, encoded ahead as far as they can be, and the JSON of errors.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "appended_text.hpp"
#include "response_queue.hpp"

namespace clipper {

constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
constexpr std::string_view kJsonType = "application/json";

// RFC 9110 section 15. Only what this server says; anything else is told as a 500 by its class alone.
inline std::string_view status_line(int status) noexcept {
  switch (status) {
    case 200: return "HTTP/1.1 200 OK\r\n";
    case 204: return "HTTP/1.1 204 No Content\r\n";
    case 400: return "HTTP/1.1 400 Bad Request\r\n";
    case 401: return "HTTP/1.1 401 Unauthorized\r\n";
    case 403: return "HTTP/1.1 403 Forbidden\r\n";
    case 404: return "HTTP/1.1 404 Not Found\r\n";
    case 405: return "HTTP/1.1 405 Method Not Allowed\r\n";
    case 408: return "HTTP/1.1 408 Request Timeout\r\n";
    case 409: return "HTTP/1.1 409 Conflict\r\n";
    case 411: return "HTTP/1.1 411 Length Required\r\n";
    case 413: return "HTTP/1.1 413 Content Too Large\r\n";
    case 415: return "HTTP/1.1 415 Unsupported Media Type\r\n";
    case 417: return "HTTP/1.1 417 Expectation Failed\r\n";
    case 422: return "HTTP/1.1 422 Unprocessable Content\r\n";
    case 429: return "HTTP/1.1 429 Too Many Requests\r\n";
    case 431: return "HTTP/1.1 431 Request Header Fields Too Large\r\n";
    case 502: return "HTTP/1.1 502 Bad Gateway\r\n";
    case 503: return "HTTP/1.1 503 Service Unavailable\r\n";
    case 504: return "HTTP/1.1 504 Gateway Timeout\r\n";
    case 505: return "HTTP/1.1 505 HTTP Version Not Supported\r\n";
    default: return "HTTP/1.1 500 Internal Server Error\r\n";
  }
}

// One whole response. `date`: IMF-fixdate. `extra_headers`: whole lines, each ended by CRLF, or empty.
// HEAD gets the head that GET would get (RFC 9110 section 9.3.2); 204 has neither body nor length (section 8.6).
inline void append_response(std::string& out, int status, std::string_view date, std::string_view content_type,
                            std::string_view body, std::string_view extra_headers, ReplyTraits traits) {
  constexpr size_t kFixedBytes = 256;  // status line, names, length, Connection: 170 at most
  AppendedText text(out, kFixedBytes + date.size() + content_type.size() + extra_headers.size());
  text.put(status_line(status));
  text.put("Date: ");
  text.put(date);
  if (status != 204) {
    text.put("\r\nContent-Type: ");
    text.put(content_type);
    text.put("\r\nContent-Length: ");
    text.put_integer(body.size());
  }
  text.put("\r\n");
  if (!traits.keep_alive) {
    text.put("Connection: close\r\n");
  } else if (traits.is_http10) {
    text.put("Connection: keep-alive\r\n");
  }
  text.put(extra_headers);
  text.put("\r\n");
  text.end();
  if (status != 204 && !traits.is_head) out.append(body);
}

// Text as the inside of a JSON string. Bytes beyond ASCII are taken as Latin-1, so that the result is always valid.
inline void append_json_text(std::string& out, std::string_view text) {
  static constexpr char kHex[] = "0123456789abcdef";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte == '"' || byte == '\\') {
      out.push_back('\\');
      out.push_back(c);
    } else if (byte < 0x20 || byte >= 0x7f) {
      out.append("\\u00");
      out.push_back(kHex[byte >> 4]);
      out.push_back(kHex[byte & 15]);
    } else {
      out.push_back(c);
    }
  }
}

inline std::string error_json(std::string_view code, std::string_view cause) {
  std::string body = "{\"error\": \"";
  append_json_text(body, code);
  body.append("\", \"cause\": \"");
  append_json_text(body, cause);
  body.append("\"}");
  return body;
}

}  // namespace clipper
