#pragma once

#include <napi.h>

namespace oomscope {

// Adds limitCapabilities() to the addon.
void DefineRights(Napi::Env env, Napi::Object exports);

}  // namespace oomscope
