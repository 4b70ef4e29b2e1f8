// Invariant checks of the debug build (CLIPPER_DEBUG=1): a broken one says where and aborts. They cost nothing in release.
#pragma once
#if CLIPPER_DEBUG
#include <cstdio>
#include <cstdlib>
#define CLIPPER_INVARIANT(condition)                                                               \
  do {                                                                                             \
    if (!(condition)) {                                                                            \
      std::fprintf(stderr, "%s:%d: invariant broken: %s\n", __FILE__, __LINE__, #condition);       \
      std::abort();                                                                                \
    }                                                                                              \
  } while (false)
#else
#define CLIPPER_INVARIANT(condition) static_cast<void>(0)
#endif
