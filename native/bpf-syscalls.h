// Everything that oomscope asks of loaded BPF objects more than once: elements of maps, runs of a program, passes of an
// iterator. This is not done through ffi-napi, because each call through ffi-napi leaks some 60 to 140 bytes.
#pragma once

#include <napi.h>

namespace oomscope {

void DefineBpfSyscalls(Napi::Env env, Napi::Object exports);

}  // namespace oomscope
