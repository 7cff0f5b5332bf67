#include "exits.h"

#include <fcntl.h>
#include <sys/epoll.h>

#include <cerrno>

namespace oomscope {

Napi::Function ExitWatcher::Define(Napi::Env env) {
  return DefineClass(env, "ExitWatcher",
                     {InstanceMethod<&ExitWatcher::Watch>("watch"), InstanceMethod<&ExitWatcher::Unwatch>("unwatch")});
}

// new ExitWatcher(onExit): the watcher lives as long as the Node environment
ExitWatcher::ExitWatcher(const Napi::CallbackInfo& info) : Napi::ObjectWrap<ExitWatcher>(info) {
  if (info.Length() < 1 || !info[0].IsFunction()) {
    Napi::TypeError::New(info.Env(), "ExitWatcher: expected (onExit)").ThrowAsJavaScriptException();
    return;
  }
  pidfds_ = std::make_unique<FdWatcher>(info.Env(), info[0].As<Napi::Function>(), "oomscope-exits", ~0u);
  if (!info.Env().IsExceptionPending()) Ref();
}

// watch(pidfd) -> a token, or the negative errno
Napi::Value ExitWatcher::Watch(const Napi::CallbackInfo& info) {
  int fd = fcntl(info[0].ToNumber().Int32Value(), F_DUPFD_CLOEXEC, 3);
  if (fd < 0) return Napi::Number::New(info.Env(), -errno);
  return pidfds_->Add(info.Env(), fd, EPOLLIN);
}

// unwatch(token): from now on the exit is not reported, even if the process has already exited
void ExitWatcher::Unwatch(const Napi::CallbackInfo& info) {
  pidfds_->Remove(info.Env(), info[0].ToNumber().Uint32Value());
}

}  // namespace oomscope
