// libbpf's log. Its callback is variadic, so it cannot be given from FFI: it is kept here, per thread, until taken.
#pragma once

#include <napi.h>

namespace oomscope {

void CaptureLibbpfLog();
Napi::Value TakeLibbpfLog(const Napi::CallbackInfo& info);

}  // namespace oomscope
