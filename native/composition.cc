#include "composition.h"

#include <sys/stat.h>

#include <algorithm>
#include <cstring>
#include <string>

#include "arguments.h"
#include "figures.h"
#include "record.h"

namespace oomscope {
namespace {

constexpr size_t kRoom = 16384;  // memory.stat has 2 KB; with many NUMA nodes more

enum Value { kReadAt, kUsage, kAnon, kFile, kShmem, kKernel, kSlab, kSock, kPageTables, kSwap, kValues };
static_assert(kValues == kCompositionValues, "as in composition.h");

// A sum of pages without those of a part of it. Both are counted apart, so that the part may be larger.
double Without(double all, double part) { return std::isnan(all - part) ? kUnknown : std::max(0.0, all - part); }

bool TextIn(int directory, const char* name, char* text, size_t room) {
  int fd = openat(directory, name, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  bool known = ReadText(fd, text, room);
  close(fd);
  return known;
}

double NumberIn(int directory, const char* name) {
  char text[64];
  return TextIn(directory, name, text, sizeof(text)) ? NumberAt(text) : kUnknown;
}

// Documentation/admin-guide/cgroup-v1/memory.rst: the lines that begin with total_ include the cgroups below.
void ReadVersion1(int directory, const char* stat, double* values) {
  values[kUsage] = NumberIn(directory, "memory.usage_in_bytes");
  values[kAnon] = NumberAt(AfterName(stat, "total_rss"));
  values[kShmem] = NumberAt(AfterName(stat, "total_shmem"));
  values[kFile] = Without(NumberAt(AfterName(stat, "total_cache")), values[kShmem]);
  values[kKernel] = NumberIn(directory, "memory.kmem.usage_in_bytes");
  values[kSwap] = Without(NumberIn(directory, "memory.memsw.usage_in_bytes"), values[kUsage]);
}

// Documentation/admin-guide/cgroup-v2.rst. The line `kernel` exists since 5.18; before, its parts are added up.
void ReadVersion2(int directory, const char* stat, double* values) {
  values[kUsage] = NumberIn(directory, "memory.current");
  values[kAnon] = NumberAt(AfterName(stat, "anon"));
  values[kShmem] = NumberAt(AfterName(stat, "shmem"));
  values[kFile] = Without(NumberAt(AfterName(stat, "file")), values[kShmem]);
  values[kSlab] = NumberAt(AfterName(stat, "slab"));
  values[kSock] = NumberAt(AfterName(stat, "sock"));
  values[kPageTables] = NumberAt(AfterName(stat, "pagetables"));
  values[kKernel] = NumberAt(AfterName(stat, "kernel"));
  if (std::isnan(values[kKernel])) {
    const double parts[] = {NumberAt(AfterName(stat, "kernel_stack")), values[kPageTables],
                            NumberAt(AfterName(stat, "percpu")), values[kSlab]};
    for (double part : parts)
      if (!std::isnan(part)) values[kKernel] = part + (std::isnan(values[kKernel]) ? 0 : values[kKernel]);
  }
  values[kSwap] = NumberIn(directory, "memory.swap.current");
}

}  // namespace

bool ReadComposition(const char* path, uint64_t inode, uint32_t version, double* values) {
  std::fill(values, values + kValues, kUnknown);
  bool known = false;
  int directory = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
  struct stat found;
  char text[kRoom];
  if (directory >= 0 && fstat(directory, &found) == 0 && found.st_ino == inode &&
      TextIn(directory, "memory.stat", text, sizeof(text))) {
    (version == 1 ? ReadVersion1 : ReadVersion2)(directory, text, values);
    values[kReadAt] = static_cast<double>(Now(CLOCK_MONOTONIC));
    known = true;
    for (Value value : {kUsage, kAnon, kFile, kShmem}) known = known && !std::isnan(values[value]);
  }
  if (directory >= 0) close(directory);
  return known;
}

// cgroupComposition(directory, inode, version, into) -> as ReadComposition()
Napi::Value CgroupComposition(const Napi::CallbackInfo& info) {
  Arguments arguments(info, "cgroupComposition");
  std::string path = arguments.Path("directory");
  uint64_t inode = arguments.BigInt("inode");
  uint32_t version = arguments.Unsigned("version", 1, 2);
  Bytes into = arguments.Uint8Array("into");
  if (!arguments.good()) return info.Env().Undefined();
  double values[kValues];
  if (!Fits(info, "cgroupComposition", "into", into, sizeof(values))) return info.Env().Undefined();
  bool known = ReadComposition(path.c_str(), inode, version, values);
  std::memcpy(into.data, values, sizeof(values));
  return Napi::Boolean::New(info.Env(), known);
}

}  // namespace oomscope
