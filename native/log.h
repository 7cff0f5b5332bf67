// libbpf's log. Its callback is variadic, so JavaScript cannot provide it through FFI: the lines are kept here, by
// thread, until they are taken.
#pragma once

#include <napi.h>

namespace oomscope {

void CaptureLibbpfLog();
Napi::Value TakeLibbpfLog(const Napi::CallbackInfo& info);

}  // namespace oomscope
