// What the memory of a cgroup consists of.
#pragma once

#include <napi.h>

#include <cstdint>

namespace oomscope {

// How many values a composition has; their order is that of src/linux/cgroup-composition.ts. A value that is unknown is NaN.
constexpr size_t kCompositionValues = 10;

// Returns whether the directory is that of the cgroup with this inode number, and its figures could be read.
bool ReadComposition(const char* directory, uint64_t inode, uint32_t version, double* values);

Napi::Value CgroupComposition(const Napi::CallbackInfo& info);

}  // namespace oomscope
