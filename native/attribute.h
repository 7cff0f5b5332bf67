#pragma once

#include <napi.h>

namespace oomscope {

// Adds what attribute.cc has.
void DefineAttribute(Napi::Env env, Napi::Object exports);

}  // namespace oomscope
