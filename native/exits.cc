#include "exits.h"

#include <fcntl.h>
#include <sys/epoll.h>

#include <cerrno>

#include "arguments.h"

namespace oomscope {

Napi::Function ExitWatcher::Define(Napi::Env env) {
  return DefineClass(env, "ExitWatcher",
                     {InstanceMethod<&ExitWatcher::Watch>("watch"), InstanceMethod<&ExitWatcher::Unwatch>("unwatch")});
}

// new ExitWatcher(onExit): the watcher lives as long as the Node environment
ExitWatcher::ExitWatcher(const Napi::CallbackInfo& info) : Napi::ObjectWrap<ExitWatcher>(info) {
  Arguments arguments(info, "ExitWatcher");
  Napi::Function on_exit = arguments.Function("onExit");
  if (!arguments.good()) return;
  pidfds_ = std::make_unique<FdWatcher>(info.Env(), on_exit, "oomscope-exits", ~0u);
  if (!info.Env().IsExceptionPending()) Ref();
}

// watch(pidfd) -> a token, or the negative errno
Napi::Value ExitWatcher::Watch(const Napi::CallbackInfo& info) {
  Arguments arguments(info, "watch");
  int pidfd = arguments.Int("pidfd");
  if (!arguments.good()) return info.Env().Undefined();
  int fd = fcntl(pidfd, F_DUPFD_CLOEXEC, 3);
  if (fd < 0) return Napi::Number::New(info.Env(), -errno);
  return pidfds_->Add(info.Env(), fd, EPOLLIN);
}

// unwatch(token): from now on the exit is not reported, even if the process has already exited
void ExitWatcher::Unwatch(const Napi::CallbackInfo& info) {
  Arguments arguments(info, "unwatch");
  uint32_t token = arguments.Unsigned("token");
  if (arguments.good()) pidfds_->Remove(info.Env(), token);
}

}  // namespace oomscope
