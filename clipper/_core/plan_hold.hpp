// Stands in a plan: how many records of the decision log speak of it.
#pragma once
#include <cstdint>

namespace clipper {

struct PlanHold {
  void* plan = nullptr;  // the log has a reference of it while there are any records
  uint32_t records = 0;
  uint32_t bytes = 0;    // what the plan takes, about: counted once, while the log keeps it alive
};

}  // namespace clipper
