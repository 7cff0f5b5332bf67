#include "psi.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "arguments.h"

namespace oomscope {

Napi::Function PsiWatcher::Define(Napi::Env env) {
  return DefineClass(env, "PsiWatcher",
                     {InstanceMethod<&PsiWatcher::Add>("add"), InstanceMethod<&PsiWatcher::Remove>("remove")});
}

// new PsiWatcher(onEvent): the watcher lives as long as the Node environment
PsiWatcher::PsiWatcher(const Napi::CallbackInfo& info) : Napi::ObjectWrap<PsiWatcher>(info) {
  Arguments arguments(info, "PsiWatcher");
  Napi::Function on_event = arguments.Function("onEvent");
  if (!arguments.good()) return;
  // After the cgroup was removed, the kernel reports EPOLLERR (fs/kernfs/file.c, kernfs_fop_poll()).
  triggers_ = std::make_unique<FdWatcher>(info.Env(), on_event, "oomscope-psi", EPOLLERR);
  if (!info.Env().IsExceptionPending()) Ref();
}

// add(path, "some 150000 1000000") -> a token, or the negative errno
Napi::Value PsiWatcher::Add(const Napi::CallbackInfo& info) {
  Arguments arguments(info, "add");
  std::string path = arguments.Path("path");
  std::string trigger = arguments.Path("trigger");
  if (!arguments.good()) return info.Env().Undefined();
  int fd = open(path.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) return Napi::Number::New(info.Env(), -errno);
  // The text is written with its NUL, as the kernel expects.
  if (write(fd, trigger.c_str(), trigger.size() + 1) < 0) {
    int error = errno;
    close(fd);
    return Napi::Number::New(info.Env(), -error);
  }
  return triggers_->Add(info.Env(), fd, EPOLLPRI);
}

// remove(token): from now on the trigger is not reported, even if it has already fired
void PsiWatcher::Remove(const Napi::CallbackInfo& info) {
  Arguments arguments(info, "remove");
  uint32_t token = arguments.Unsigned("token");
  if (arguments.good()) triggers_->Remove(info.Env(), token);
}

}  // namespace oomscope
