#pragma once

#include <napi.h>

namespace oomscope {

// Adds readAttribute() to the exports.
void DefineAttribute(Napi::Env env, Napi::Object exports);

}  // namespace oomscope
