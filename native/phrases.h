#pragma once

#include <napi.h>

namespace oomscope {

void DefinePhrases(Napi::Env env, Napi::Object exports);

}  // namespace oomscope
