#include "attribute.h"

#include <sys/xattr.h>

#include <cerrno>
#include <string>

#include "arguments.h"

namespace oomscope {
namespace {

// readAttribute(path, name) -> the value from getxattr(2); null: no such attribute or file, or no permission to read it
Napi::Value ReadAttribute(const Napi::CallbackInfo& info) {
  Arguments arguments(info, "readAttribute");
  std::string path = arguments.Path("path");
  std::string name = arguments.Path("name");
  if (!arguments.good()) return info.Env().Undefined();
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
