// Keeps shared libraries loaded until the process ends. When a worker ends, Node unloads the addons that no other thread
// has loaded. What such an addon has registered in the process then points to memory that is no longer mapped: the print
// callback of libbpf, and hooks of ffi-napi that run after the addon was unloaded.
#pragma once

#include <napi.h>

namespace oomscope {

// Keeps this addon loaded.
void KeepThisAddonLoaded();
Napi::Value KeepLoaded(const Napi::CallbackInfo& info);

}  // namespace oomscope
