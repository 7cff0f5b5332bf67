// Finds the cgroup whose limit a kill has hit in the kernel's record of the kill, for a thread that has no JavaScript.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace oomscope {

struct KillPlace {
  uint64_t ktime_ns = 0;  // CLOCK_MONOTONIC of the kill; 0: there is none
  bool invented = false;  // by a rehearsal
  uint64_t id = 0;        // the kernel's id of the cgroup
  char path[1024] = "";   // its directory; empty: no limit was hit, or the directory is unknown
};

// What the records of bpf/events.h look like: kinds, facts, and where the fields are, in bytes. JavaScript gives it
// (src/bpf/wire/kill-layout.ts).
struct KillLayout {
  uint32_t kill_kind, rehearsal_kind;
  uint32_t rehearsed;  // of the record of a kill in the record of a rehearsal
  uint32_t facts;
  uint32_t needed;   // the facts without which the directory is unknown
  uint32_t refused;  // the facts with which it is unknown
  uint32_t limit, levels_length, levels;
  uint32_t level_size, level_id, level_name_length;
};

// Sets `place` if the record is that of a kill, and `place` has none or an invented one. Safe on any bytes.
void FindPlace(const KillLayout& layout, const std::string& mount, const uint8_t* record, size_t size, KillPlace& place);

}  // namespace oomscope
