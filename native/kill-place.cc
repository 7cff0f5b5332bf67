#include "kill-place.h"

#include <algorithm>
#include <cstring>

#include "record.h"

namespace oomscope {
namespace {

template <typename T>
bool Get(const uint8_t* bytes, size_t size, size_t at, T& value) {
  if (at > size || size - at < sizeof(T)) return false;
  std::memcpy(&value, bytes + at, sizeof(T));
  return true;
}

// Puts text before the path that begins at `start`. Returns false if there is no room.
bool Prepend(const KillPlace& place, char*& start, const void* text, size_t length) {
  if (static_cast<size_t>(start - place.path) < length) return false;
  start -= length;
  std::memcpy(start, text, length);
  return true;
}

// The levels are in the order from the victim's cgroup to the root, whose name is empty.
bool BuildPath(const KillLayout& layout, const std::string& mount, const uint8_t* record, size_t size, KillPlace& place) {
  uint32_t used;
  if (!Get(record, size, layout.levels_length, used) || layout.levels > size) return false;
  size_t end = std::min(size, layout.levels + static_cast<size_t>(used));
  char* start = place.path + sizeof(place.path) - 1;
  *start = '\0';
  bool found = false;
  for (size_t at = layout.levels; at < end;) {
    uint64_t id;
    uint16_t length;
    if (!Get(record, end, at + layout.level_id, id) || !Get(record, end, at + layout.level_name_length, length)) return false;
    size_t name = at + layout.level_size;
    size_t next = name + ((length + 7u) & ~size_t{7});
    if (next > end || next <= at) return false;
    found = found || id == place.id;
    if (found && length > 0) {
      if (!Prepend(place, start, record + name, length) || !Prepend(place, start, "/", 1)) return false;
    }
    at = next;
  }
  if (!found || !Prepend(place, start, mount.data(), mount.size())) return false;
  std::memmove(place.path, start, strlen(start) + 1);
  return true;
}

}  // namespace

void FindPlace(const KillLayout& layout, const std::string& mount, const uint8_t* record, size_t size, KillPlace& place) {
  RecordHeader header;
  if ((place.ktime_ns != 0 && !place.invented) || !Get(record, size, 0, header)) return;
  bool invented = header.kind == layout.rehearsal_kind;
  if (invented && (place.ktime_ns != 0 || layout.rehearsed > size)) return;
  if (invented) {
    record += layout.rehearsed;
    size -= layout.rehearsed;
    if (!Get(record, size, 0, header)) return;
  }
  uint32_t facts;
  if (header.kind != layout.kill_kind || !Get(record, size, layout.facts, facts)) return;
  place.ktime_ns = header.ktime_ns;
  place.invented = invented;
  bool possible = !mount.empty() && (facts & layout.needed) == layout.needed && (facts & layout.refused) == 0 &&
                  Get(record, size, layout.limit + layout.level_id, place.id);
  if (!possible || !BuildPath(layout, mount, record, size, place)) place.path[0] = '\0';
}

}  // namespace oomscope
