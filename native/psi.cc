#include "psi.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <cerrno>
#include <string>

namespace oomscope {

Napi::Function PsiWatcher::Define(Napi::Env env) {
  return DefineClass(env, "PsiWatcher",
                     {InstanceMethod<&PsiWatcher::Add>("add"), InstanceMethod<&PsiWatcher::Remove>("remove")});
}

// new PsiWatcher(onEvent): the watcher lives as long as the Node environment
PsiWatcher::PsiWatcher(const Napi::CallbackInfo& info) : Napi::ObjectWrap<PsiWatcher>(info) {
  if (info.Length() < 1 || !info[0].IsFunction()) {
    Napi::TypeError::New(info.Env(), "PsiWatcher: expected (onEvent)").ThrowAsJavaScriptException();
    return;
  }
  // After the cgroup was removed, the kernel reports EPOLLERR (fs/kernfs/file.c, kernfs_fop_poll()).
  triggers_ = std::make_unique<FdWatcher>(info.Env(), info[0].As<Napi::Function>(), "oomscope-psi", EPOLLERR);
  if (!info.Env().IsExceptionPending()) Ref();
}

// add(path, "some 150000 1000000") -> a token, or the negative errno
Napi::Value PsiWatcher::Add(const Napi::CallbackInfo& info) {
  std::string path = info[0].ToString().Utf8Value();
  std::string trigger = info[1].ToString().Utf8Value();
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
  triggers_->Remove(info.Env(), info[0].ToNumber().Uint32Value());
}

}  // namespace oomscope
