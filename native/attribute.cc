#include "attribute.h"

#include <sys/xattr.h>

#include <cerrno>
#include <string>

namespace oomscope {
namespace {

// readAttribute(path, name) -> the value by getxattr(2), or null for lack of the attribute, the file or the permission
Napi::Value ReadAttribute(const Napi::CallbackInfo& info) {
  std::string path = info[0].As<Napi::String>(), name = info[1].As<Napi::String>();
  char value[256];
  ssize_t length = getxattr(path.c_str(), name.c_str(), value, sizeof(value));
  if (length < 0) return info.Env().Null();
  return Napi::String::New(info.Env(), value, static_cast<size_t>(length));
}

}  // namespace

void DefineAttribute(Napi::Env env, Napi::Object exports) {
  exports.Set("readAttribute", Napi::Function::New<ReadAttribute>(env));
}

}  // namespace oomscope
