// Elements of BPF maps, for what is written again and again: a call through ffi-napi leaves some 60 bytes behind.
#pragma once

#include <napi.h>

namespace oomscope {

void DefineMap(Napi::Env env, Napi::Object exports);

}  // namespace oomscope
