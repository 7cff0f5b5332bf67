// Writes elements of BPF maps. This is not done through ffi-napi, because some elements are written often and each call
// through ffi-napi leaks some 60 bytes.
#pragma once

#include <napi.h>

namespace oomscope {

void DefineMap(Napi::Env env, Napi::Object exports);

}  // namespace oomscope
