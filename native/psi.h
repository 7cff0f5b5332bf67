// Reports when PSI triggers fire, which the kernel signals as POLLPRI. A trigger exists until its descriptor is closed
// or its cgroup is removed.
#pragma once

#include <napi.h>

#include <memory>

#include "fd-watcher.h"

namespace oomscope {

class PsiWatcher : public Napi::ObjectWrap<PsiWatcher> {
 public:
  static Napi::Function Define(Napi::Env env);
  explicit PsiWatcher(const Napi::CallbackInfo& info);

 private:
  Napi::Value Add(const Napi::CallbackInfo& info);
  void Remove(const Napi::CallbackInfo& info);

  std::unique_ptr<FdWatcher> triggers_;
};

}  // namespace oomscope
