// Collects libbpf's log. The callback that libbpf calls is variadic, so JavaScript cannot provide it through FFI. The
// lines are kept for each thread until takeLibbpfLog() is called.
#pragma once

#include <napi.h>

#include "libbpf.h"

namespace oomscope {

void CaptureLibbpfLog(const Libbpf& libbpf);
Napi::Value TakeLibbpfLog(const Napi::CallbackInfo& info);

}  // namespace oomscope
