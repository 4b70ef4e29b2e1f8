// Open-loop HTTP client of `clipper bench`. What it does is in load_thread.hpp, how it is called in options.hpp.
#include <cstdio>
#include <exception>
#include <string>

#include "load_client.hpp"

int main(int argc, char** argv) {
  try {
    // Before the server in line for a processor, where the system allows it: who waits for the client's own turn would
    // be counted as slow. What it uses is reported.
    setpriority(PRIO_PROCESS, 0, -10);
    clipper::load::LoadClient client(clipper::load::Options::parse(argc, argv));
    client.run(stdout);
    client.write_json(stdout);
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 2;
  }
}
