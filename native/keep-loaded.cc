#include "keep-loaded.h"

#include <dlfcn.h>

#include <string>

#include "arguments.h"

namespace oomscope {
namespace {

// The library must be loaded already. The reference that dlopen() returns is never given back.
bool Keep(const char* path) { return dlopen(path, RTLD_LAZY | RTLD_NOLOAD | RTLD_NODELETE) != nullptr; }

}  // namespace

void KeepThisAddonLoaded() {
  Dl_info found{};
  if (dladdr(reinterpret_cast<void*>(&KeepThisAddonLoaded), &found) != 0 && found.dli_fname != nullptr)
    Keep(found.dli_fname);
}

// keepLoaded(path) -> whether this library was loaded
Napi::Value KeepLoaded(const Napi::CallbackInfo& info) {
  Arguments arguments(info, "keepLoaded");
  std::string path = arguments.Path("path");
  if (!arguments.good()) return info.Env().Undefined();
  return Napi::Boolean::New(info.Env(), Keep(path.c_str()));
}

}  // namespace oomscope
