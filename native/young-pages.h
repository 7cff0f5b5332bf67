#pragma once

#include <napi.h>

namespace oomscope {

// Adds mapYoungPages() to the exports.
void DefineYoungPages(Napi::Env env, Napi::Object exports);

}  // namespace oomscope
