// Where heads end in a read, and what is kept of their fields. The input is what a connection reads; its lines are taken
// for fields, however little they look like them: the class must not rely on the HTTP parser before it.
#include <string_view>

#include "fuzz_target.hpp"
#include "head_scan.hpp"
#include "request_head.hpp"

namespace {

using namespace clipper;

void check_scan(const fuzz::Exact& read) {
  const std::string_view text(read.data(), read.size());
  const size_t found = text.find("\r\n\r\n");
  const size_t head = head_bytes(read.data(), read.size());
  EXPECT(head == (found == std::string_view::npos ? 0 : found + 4));
  if (has_one_head(read.data(), read.size())) EXPECT(head != 0 && head_bytes(read.data() + head, read.size() - head) == 0);
  // What is one head stays one, whatever part of the rest has come.
  for (size_t cut = head; head != 0 && cut < read.size(); cut += 1 + (read.size() - head) / 8)
    EXPECT(head_bytes(read.data(), cut) == head);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t bytes) {
  const fuzz::Exact read(reinterpret_cast<const char*>(data), bytes);
  check_scan(read);
  RequestHead head;
  uint64_t field_bytes = 0;
  std::string_view rest(read.data(), read.size());
  while (!rest.empty()) {
    const size_t line_end = rest.find('\n');
    const std::string_view line = rest.substr(0, line_end);
    rest = line_end == std::string_view::npos ? std::string_view() : rest.substr(line_end + 1);
    const size_t colon = line.find(':');
    const std::string_view value = colon == std::string_view::npos ? std::string_view() : line.substr(colon + 1);
    const fuzz::Exact name_copy(line.substr(0, colon)), value_copy(value);
    head.add(name_copy.data(), name_copy.size(), value_copy.data(), value_copy.size());
    field_bytes += name_copy.size() + value_copy.size() + 4;
  }
  EXPECT(head.field_bytes == field_bytes);
  const bool is_refused = head.refusal.status != 0;
  EXPECT(is_refused == (head.refusal.code != nullptr) && is_refused == (head.refusal.cause != nullptr));
  if (is_refused) EXPECT(head.refusal.status >= 400 && head.refusal.status < 500);
  if (!is_refused) {
    EXPECT(head.content_length == 0 || head.has_content_length);
    EXPECT(head.content_length <= UINT64_MAX / 2 && head.clipper_batch <= (1ULL << 32));
  }
  (void)method_of(std::string_view(read.data(), read.size() < 8 ? read.size() : 8));
  head.clear();
  EXPECT(head.field_bytes == 0 && head.refusal.status == 0);
  return 0;
}
