// The load client's reader of responses: what a server sends is read the same whole and in pieces, not beyond its end.
#include <string>
#include <string_view>

#include "fuzz_target.hpp"
#include "response_reader.hpp"

namespace {

using clipper::load::ResponseReader;
using State = ResponseReader::State;

struct Read {
  State state;
  int status;
  bool closes;
  std::string body;
};

Read read_in_pieces(const char* data, size_t bytes, size_t piece) {
  ResponseReader reader;
  State state = State::Incomplete;
  for (size_t at = 0; at < bytes && state == State::Incomplete;) {
    char* room = reader.room();
    const size_t count = std::min({piece, bytes - at, reader.room_bytes()});
    EXPECT(count > 0);
    std::memcpy(room, data + at, count);
    at += count;
    state = reader.added(count);
    // An answer that ends where a piece does may be followed by more, which makes it broken in one piece.
    if (state == State::Complete && at < bytes) state = State::Broken;
  }
  return {state, reader.status(), reader.closes(), std::string(reader.body())};
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t bytes) {
  const fuzz::Exact read(reinterpret_cast<const char*>(data), bytes);
  const Read whole = read_in_pieces(read.data(), read.size(), bytes + 1);
  for (const size_t piece : {size_t{1}, size_t{7}}) {
    const Read pieces = read_in_pieces(read.data(), read.size(), piece);
    EXPECT(pieces.state == whole.state);
    if (whole.state == State::Broken) continue;
    EXPECT(pieces.status == whole.status && pieces.closes == whole.closes && pieces.body == whole.body);
    EXPECT(whole.body.size() <= bytes);
  }
  return 0;
}
