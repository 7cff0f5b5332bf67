// The header of every record, and a function that reads the clock of its time stamp.
#pragma once

#include <cstdint>
#include <ctime>

namespace oomscope {

struct RecordHeader {  // bpf/events.h struct record_header
  uint16_t kind;
  uint16_t size;
  uint32_t cpu;
  uint64_t sequence;
  uint64_t ktime_ns;  // CLOCK_MONOTONIC
};
static_assert(sizeof(RecordHeader) == 24, "as in bpf/events.h");

inline uint64_t Now(clockid_t clock) {
  timespec t{};
  clock_gettime(clock, &t);
  return static_cast<uint64_t>(t.tv_sec) * 1000000000ULL + static_cast<uint64_t>(t.tv_nsec);
}

}  // namespace oomscope
