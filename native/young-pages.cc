#include "young-pages.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

namespace oomscope {
namespace {

// V8 takes memory for young objects from the kernel in pages of this size (kPageSizeBits in V8's src/common/globals.h), and
// fills each from its start to its end.
constexpr uintptr_t kYoungPage = 256 * 1024;

// mapYoungPages() -> the bytes from V8's next young object to the end of V8's page, all of which the kernel has mapped now,
// so that writing to them needs no page fault; or the negative errno: -EINVAL before Linux 5.14.
//
// A handle of Node-API is the address of a word with the address of the object (v8::Local). If a later V8 has another kind of
// handles, this function maps other memory of this process, or none: MADV_POPULATE_WRITE changes no byte.
Napi::Value MapYoungPages(const Napi::CallbackInfo& info) {
  napi_value object = Napi::Object::New(info.Env());
  uintptr_t at = *reinterpret_cast<const uintptr_t*>(object);
  uintptr_t end = (at | (kYoungPage - 1)) + 1;
  uintptr_t start = at & ~(static_cast<uintptr_t>(sysconf(_SC_PAGESIZE)) - 1);
  int result = madvise(reinterpret_cast<void*>(start), end - start, MADV_POPULATE_WRITE);
  return Napi::Number::New(info.Env(), result == 0 ? static_cast<double>(end - at) : -errno);
}

}  // namespace

void DefineYoungPages(Napi::Env env, Napi::Object exports) {
  exports.Set("mapYoungPages", Napi::Function::New<MapYoungPages>(env));
}

}  // namespace oomscope
