// Reports the exit of processes, whether they are children or not. It needs no SIGCHLD handler: a pidfd becomes
// readable when its process becomes a zombie.
#pragma once

#include <napi.h>

#include <memory>

#include "fd-watcher.h"

namespace oomscope {

class ExitWatcher : public Napi::ObjectWrap<ExitWatcher> {
 public:
  static Napi::Function Define(Napi::Env env);
  explicit ExitWatcher(const Napi::CallbackInfo& info);

 private:
  Napi::Value Watch(const Napi::CallbackInfo& info);
  void Unwatch(const Napi::CallbackInfo& info);

  std::unique_ptr<FdWatcher> pidfds_;
};

}  // namespace oomscope
