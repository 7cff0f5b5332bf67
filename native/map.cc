#include "map.h"

#include "libbpf.h"

namespace oomscope {
namespace {

// The caller (src/bpf/libbpf/map.ts) has checked the sizes.
void* Bytes(Napi::Value value) {
  auto array = value.As<Napi::Uint8Array>();
  return array.Data();
}

Napi::Value Result(const Napi::CallbackInfo& info, int result) { return Napi::Number::New(info.Env(), result); }

// mapUpdate(fd, key, value, flags) -> 0 or the negative errno
Napi::Value MapUpdate(const Napi::CallbackInfo& info) {
  const Libbpf* libbpf = NeedLibbpf(info.Env());
  if (libbpf == nullptr) return info.Env().Undefined();
  return Result(info, libbpf->bpf_map_update_elem(info[0].ToNumber().Int32Value(), Bytes(info[1]), Bytes(info[2]),
                                                  info[3].ToNumber().Uint32Value()));
}

}  // namespace

void DefineMap(Napi::Env env, Napi::Object exports) { exports.Set("mapUpdate", Napi::Function::New<MapUpdate>(env)); }

}  // namespace oomscope
