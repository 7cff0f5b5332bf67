#include "exits.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "record.h"

namespace oomscope {
namespace {

constexpr uint32_t kStop = 0;  // tokens begin with 1

}  // namespace

Napi::Function ExitWatcher::Define(Napi::Env env) {
  return DefineClass(env, "ExitWatcher",
                     {InstanceMethod<&ExitWatcher::Watch>("watch"), InstanceMethod<&ExitWatcher::Unwatch>("unwatch")});
}

// new ExitWatcher(onExit): it lives as long as the environment does
ExitWatcher::ExitWatcher(const Napi::CallbackInfo& info) : Napi::ObjectWrap<ExitWatcher>(info) {
  Napi::Env env = info.Env();
  if (info.Length() < 1 || !info[0].IsFunction()) {
    Napi::TypeError::New(env, "ExitWatcher: expected (onExit)").ThrowAsJavaScriptException();
    return;
  }
  env_ = env;
  epoll_ = epoll_create1(EPOLL_CLOEXEC);
  stop_fd_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  epoll_event stop{};
  stop.events = EPOLLIN;
  stop.data.u32 = kStop;
  epoll_ctl(epoll_, EPOLL_CTL_ADD, stop_fd_, &stop);
  wake_ = Wake::New(env, info[0].As<Napi::Function>(), "oomscope exits", 0, 1, this);
  wake_.Unref(env);
  napi_add_env_cleanup_hook(env, OnEnvironmentExit, this);
  Ref();
  thread_ = std::thread(&ExitWatcher::Poll, this);
}

ExitWatcher::~ExitWatcher() { Stop(); }

void ExitWatcher::OnEnvironmentExit(void* self) { static_cast<ExitWatcher*>(self)->Stop(); }

void ExitWatcher::Stop() {
  if (!thread_.joinable()) return;
  eventfd_write(stop_fd_, 1);
  thread_.join();
  for (auto& [token, fd] : watched_) close(fd);
  close(epoll_);
  close(stop_fd_);
  wake_.Abort();
}

void ExitWatcher::Poll() {
  pthread_setname_np(pthread_self(), "oomscope-exits");
  for (;;) {
    epoll_event ready[16];
    int count = epoll_wait(epoll_, ready, 16, -1);
    uint64_t now = Now(CLOCK_MONOTONIC);
    for (int i = 0; i < count; i++) {
      auto token = ready[i].data.u32;
      if (token == kStop) return;
      std::lock_guard<std::mutex> lock(mutex_);
      auto found = watched_.find(token);
      if (found == watched_.end()) continue;  // given up between epoll_wait() and here
      Forget(found);
      ends_.push_back({token, now});
    }
    if (count > 0) wake_.NonBlockingCall();
  }
}

// Under mutex_. Closing alone would not do: the descriptor is a copy, and epoll goes by what is behind it.
void ExitWatcher::Forget(std::unordered_map<uint32_t, int>::iterator watched) {
  epoll_ctl(epoll_, EPOLL_CTL_DEL, watched->second, nullptr);
  close(watched->second);
  watched_.erase(watched);
}

// ---- the JavaScript thread ----

// The event loop waits for what is watched, and for what has ended and was not told.
void ExitWatcher::HoldLoop(napi_env env) {
  bool hold;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    hold = !watched_.empty() || !ends_.empty();
  }
  if (hold == holds_loop_) return;
  holds_loop_ = hold;
  if (hold)
    wake_.Ref(env);
  else
    wake_.Unref(env);
}

// watch(pidfd) -> a token, or the negative errno
Napi::Value ExitWatcher::Watch(const Napi::CallbackInfo& info) {
  int fd = fcntl(info[0].ToNumber().Int32Value(), F_DUPFD_CLOEXEC, 3);
  if (fd < 0) return Napi::Number::New(info.Env(), -errno);
  uint32_t token = ++last_token_;
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u32 = token;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) != 0) {
      int error = errno;
      close(fd);
      return Napi::Number::New(info.Env(), -error);
    }
    watched_.emplace(token, fd);
  }
  HoldLoop(info.Env());
  return Napi::Number::New(info.Env(), token);
}

// unwatch(token): its end will not be told, also where it has come already
Napi::Value ExitWatcher::Unwatch(const Napi::CallbackInfo& info) {
  uint32_t token = info[0].ToNumber().Uint32Value();
  {
    std::lock_guard<std::mutex> lock(mutex_);
    auto found = watched_.find(token);
    if (found != watched_.end()) Forget(found);
    ends_.erase(std::remove_if(ends_.begin(), ends_.end(), [token](const End& end) { return end.token == token; }),
                ends_.end());
  }
  HoldLoop(info.Env());
  return info.Env().Undefined();
}

void ExitWatcher::OnThreadSafeCall(Napi::Env env, Napi::Function on_exit, ExitWatcher* self, void*) {
  if (env != nullptr && self != nullptr) self->Deliver(env, on_exit);
}

// Plain N-API, as in RingReader: node-addon-api would make a failure in a worker that is being ended a fatal error.
void ExitWatcher::Deliver(napi_env env, napi_value on_exit) {
  Napi::HandleScope scope(env);
  for (;;) {
    End end;
    {
      std::lock_guard<std::mutex> lock(mutex_);
      if (ends_.empty()) break;
      end = ends_.front();
      ends_.erase(ends_.begin());
    }
    napi_value arguments[2], self = Value(), result;
    if (napi_create_uint32(env, end.token, &arguments[0]) != napi_ok ||
        napi_create_bigint_uint64(env, end.ktime_ns, &arguments[1]) != napi_ok ||
        napi_call_function(env, self, on_exit, 2, arguments, &result) != napi_ok)
      return;
  }
  HoldLoop(env);
}

}  // namespace oomscope
