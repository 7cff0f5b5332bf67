// What the memory of a cgroup consists of.
#pragma once

#include <napi.h>

namespace oomscope {

Napi::Value CgroupComposition(const Napi::CallbackInfo& info);

}  // namespace oomscope
