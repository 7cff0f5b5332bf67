// Elements of BPF maps that are written often: a call through ffi-napi leaks some 60 bytes.
#pragma once

#include <napi.h>

namespace oomscope {

void DefineMap(Napi::Env env, Napi::Object exports);

}  // namespace oomscope
