#include "psi.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <string>

namespace oomscope {
namespace {

constexpr uint32_t kStop = 0;  // tokens begin with 1

}  // namespace

Napi::Function PsiWatcher::Define(Napi::Env env) {
  return DefineClass(env, "PsiWatcher",
                     {InstanceMethod<&PsiWatcher::Add>("add"), InstanceMethod<&PsiWatcher::Remove>("remove")});
}

// new PsiWatcher(onEvent): it lives as long as the environment does
PsiWatcher::PsiWatcher(const Napi::CallbackInfo& info) : Napi::ObjectWrap<PsiWatcher>(info) {
  Napi::Env env = info.Env();
  if (info.Length() < 1 || !info[0].IsFunction()) {
    Napi::TypeError::New(env, "PsiWatcher: expected (onEvent)").ThrowAsJavaScriptException();
    return;
  }
  epoll_ = epoll_create1(EPOLL_CLOEXEC);
  stop_fd_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  epoll_event stop{};
  stop.events = EPOLLIN;
  stop.data.u32 = kStop;
  epoll_ctl(epoll_, EPOLL_CTL_ADD, stop_fd_, &stop);
  wake_ = Wake::New(env, info[0].As<Napi::Function>(), "oomscope psi", 0, 1, this);
  wake_.Unref(env);
  napi_add_env_cleanup_hook(env, OnEnvironmentExit, this);
  Ref();
  thread_ = std::thread(&PsiWatcher::Poll, this);
}

PsiWatcher::~PsiWatcher() { Stop(); }

void PsiWatcher::OnEnvironmentExit(void* self) { static_cast<PsiWatcher*>(self)->Stop(); }

void PsiWatcher::Stop() {
  if (!thread_.joinable()) return;
  eventfd_write(stop_fd_, 1);
  thread_.join();
  for (auto& [token, fd] : triggers_) close(fd);
  close(epoll_);
  close(stop_fd_);
  wake_.Abort();
}

void PsiWatcher::Poll() {
  pthread_setname_np(pthread_self(), "oomscope-psi");
  for (;;) {
    epoll_event ready[16];
    int count = epoll_wait(epoll_, ready, 16, -1);
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    for (int i = 0; i < count; i++) {
      auto token = ready[i].data.u32;
      if (token == kStop) return;
      std::lock_guard<std::mutex> lock(mutex_);
      auto found = triggers_.find(token);
      if (found == triggers_.end()) continue;  // given up between epoll_wait() and here
      bool gone = (ready[i].events & EPOLLERR) != 0;
      if (gone) Forget(found);
      // JavaScript that is busy needs to know that it fired, not how often.
      auto told = [token](const Event& event) { return event.token == token; };
      if (gone || std::none_of(events_.begin(), events_.end(), told))
        events_.push_back(
            {token, static_cast<uint64_t>(now.tv_sec) * 1000000000ULL + static_cast<uint64_t>(now.tv_nsec), gone});
    }
    if (count > 0) wake_.NonBlockingCall();
  }
}

// Under mutex_.
void PsiWatcher::Forget(std::unordered_map<uint32_t, int>::iterator trigger) {
  epoll_ctl(epoll_, EPOLL_CTL_DEL, trigger->second, nullptr);
  close(trigger->second);
  triggers_.erase(trigger);
}

// ---- the JavaScript thread ----

void PsiWatcher::HoldLoop(napi_env env) {
  bool hold;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    hold = !triggers_.empty() || !events_.empty();
  }
  if (hold == holds_loop_) return;
  holds_loop_ = hold;
  if (hold)
    wake_.Ref(env);
  else
    wake_.Unref(env);
}

// add(path, "some 150000 1000000") -> a token, or the negative errno
Napi::Value PsiWatcher::Add(const Napi::CallbackInfo& info) {
  std::string path = info[0].ToString().Utf8Value();
  std::string trigger = info[1].ToString().Utf8Value();
  int fd = open(path.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) return Napi::Number::New(info.Env(), -errno);
  uint32_t token = ++last_token_;
  epoll_event event{};
  event.events = EPOLLPRI;
  event.data.u32 = token;
  std::lock_guard<std::mutex> lock(mutex_);
  // With the NUL, as the kernel wants it.
  if (write(fd, trigger.c_str(), trigger.size() + 1) < 0 || epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) != 0) {
    int error = errno;
    close(fd);
    return Napi::Number::New(info.Env(), -error);
  }
  triggers_.emplace(token, fd);
  if (!holds_loop_) {
    holds_loop_ = true;
    wake_.Ref(info.Env());
  }
  return Napi::Number::New(info.Env(), token);
}

// remove(token): nothing more is told of it, nor what has fired already
Napi::Value PsiWatcher::Remove(const Napi::CallbackInfo& info) {
  uint32_t token = info[0].ToNumber().Uint32Value();
  {
    std::lock_guard<std::mutex> lock(mutex_);
    auto found = triggers_.find(token);
    if (found != triggers_.end()) Forget(found);
    events_.erase(std::remove_if(events_.begin(), events_.end(),
                                 [token](const Event& event) { return event.token == token; }),
                  events_.end());
  }
  HoldLoop(info.Env());
  return info.Env().Undefined();
}

void PsiWatcher::OnThreadSafeCall(Napi::Env env, Napi::Function on_event, PsiWatcher* self, void*) {
  if (env != nullptr && self != nullptr) self->Deliver(env, on_event);
}

// Plain N-API, as in RingReader: node-addon-api would make a failure in a worker that is being ended a fatal error.
void PsiWatcher::Deliver(napi_env env, napi_value on_event) {
  Napi::HandleScope scope(env);
  for (;;) {
    Event event;
    {
      std::lock_guard<std::mutex> lock(mutex_);
      if (events_.empty()) break;
      event = events_.front();
      events_.erase(events_.begin());
    }
    napi_value arguments[3], self = Value(), result;
    if (napi_create_uint32(env, event.token, &arguments[0]) != napi_ok ||
        napi_create_bigint_uint64(env, event.ktime_ns, &arguments[1]) != napi_ok ||
        napi_get_boolean(env, event.gone, &arguments[2]) != napi_ok ||
        napi_call_function(env, self, on_event, 3, arguments, &result) != napi_ok)
      return;
  }
  HoldLoop(env);
}

}  // namespace oomscope
