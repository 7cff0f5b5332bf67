#include "fd-watcher.h"
#include "no-thread.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "record.h"

namespace oomscope {
namespace {

constexpr uint32_t kStop = 0;  // epoll data of stop_fd_; tokens of watched descriptors begin with 1

}  // namespace

FdWatcher::FdWatcher(Napi::Env env, Napi::Function on_event, const char* name, uint32_t last_events)
    : name_(name), last_events_(last_events) {
  if (!Open()) {
    Napi::Error::New(env, name_ + ": " + std::strerror(errno)).ThrowAsJavaScriptException();
    return;
  }
  wake_ = Wake::New(env, on_event, name_, 0, 1, this);
  wake_.Unref(env);
  // Hooks run in reverse order: the thread is joined before the thread-safe function is finalized.
  napi_add_env_cleanup_hook(env, OnEnvironmentExit, this);
  try {
    thread_ = std::thread(&FdWatcher::Poll, this);
  } catch (const std::system_error& error) {  // the cgroup allows no more tasks
    napi_remove_env_cleanup_hook(env, OnEnvironmentExit, this);
    wake_.Abort();
    Stop();
    ThrowNoThread(env, name_, error);
  }
}

FdWatcher::~FdWatcher() { Stop(); }

void FdWatcher::OnEnvironmentExit(void* self) { static_cast<FdWatcher*>(self)->Stop(); }

bool FdWatcher::Open() {
  epoll_ = epoll_create1(EPOLL_CLOEXEC);
  stop_fd_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  epoll_event stop{};
  stop.events = EPOLLIN;
  stop.data.u32 = kStop;
  return epoll_ >= 0 && stop_fd_ >= 0 && epoll_ctl(epoll_, EPOLL_CTL_ADD, stop_fd_, &stop) == 0;
}

// Idempotent. Only the JavaScript thread may call it.
void FdWatcher::Stop() {
  if (thread_.joinable()) {
    eventfd_write(stop_fd_, 1);
    thread_.join();
    wake_.Abort();
  }
  for (auto& [token, fd] : watched_) close(fd);
  watched_.clear();
  for (int* fd : {&epoll_, &stop_fd_}) {
    if (*fd >= 0) close(*fd);
    *fd = -1;
  }
}

void FdWatcher::Poll() {
  pthread_setname_np(pthread_self(), name_.c_str());
  for (;;) {
    epoll_event ready[16];
    int count = epoll_wait(epoll_, ready, 16, -1);
    uint64_t now = Now(CLOCK_MONOTONIC);
    for (int i = 0; i < count; i++) {
      auto token = ready[i].data.u32;
      if (token == kStop) return;
      std::lock_guard<std::mutex> lock(mutex_);
      auto found = watched_.find(token);
      if (found == watched_.end()) continue;  // removed between epoll_wait() and here
      bool gone = (ready[i].events & last_events_) != 0;
      if (gone) Forget(found);
      // While JavaScript is busy, one report for each descriptor is enough.
      auto reported = [token](const Event& event) { return event.token == token; };
      if (gone || std::none_of(events_.begin(), events_.end(), reported)) events_.push_back({token, now, gone});
    }
    if (count > 0) wake_.NonBlockingCall();
  }
}

// The caller holds mutex_. close() alone does not end the watching, because epoll watches the open file description,
// and the caller of Add() may have another descriptor for it.
void FdWatcher::Forget(std::unordered_map<uint32_t, int>::iterator watched) {
  epoll_ctl(epoll_, EPOLL_CTL_DEL, watched->second, nullptr);
  close(watched->second);
  watched_.erase(watched);
}

// ---- the JavaScript thread ----

Napi::Value FdWatcher::Add(Napi::Env env, int fd, uint32_t events) {
  uint32_t token = ++last_token_;
  epoll_event event{};
  event.events = events;
  event.data.u32 = token;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) != 0) {
      int error = errno;
      close(fd);
      return Napi::Number::New(env, -error);
    }
    watched_.emplace(token, fd);
  }
  HoldLoop(env);
  return Napi::Number::New(env, token);
}

void FdWatcher::Remove(Napi::Env env, uint32_t token) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    auto found = watched_.find(token);
    if (found != watched_.end()) Forget(found);
    auto of_token = [token](const Event& event) { return event.token == token; };
    events_.erase(std::remove_if(events_.begin(), events_.end(), of_token), events_.end());
  }
  HoldLoop(env);
}

void FdWatcher::HoldLoop(napi_env env) {
  bool hold;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    hold = !watched_.empty() || !events_.empty();
  }
  if (hold == holds_loop_) return;
  holds_loop_ = hold;
  if (hold)
    wake_.Ref(env);
  else
    wake_.Unref(env);
}

void FdWatcher::OnThreadSafeCall(Napi::Env env, Napi::Function on_event, FdWatcher* self, void*) {
  if (env != nullptr && self != nullptr) self->Deliver(env, on_event);
}

// Uses plain N-API, as RingReader does: node-addon-api turns a failure in a terminating worker into a fatal error.
void FdWatcher::Deliver(napi_env env, napi_value on_event) {
  Napi::HandleScope scope(env);
  for (;;) {
    Event event;
    {
      std::lock_guard<std::mutex> lock(mutex_);
      if (events_.empty()) break;
      event = events_.front();
      events_.erase(events_.begin());
    }
    napi_value arguments[3], undefined, result;
    if (napi_get_undefined(env, &undefined) != napi_ok ||
        napi_create_uint32(env, event.token, &arguments[0]) != napi_ok ||
        napi_create_bigint_uint64(env, event.ktime_ns, &arguments[1]) != napi_ok ||
        napi_get_boolean(env, event.gone, &arguments[2]) != napi_ok ||
        napi_call_function(env, undefined, on_event, 3, arguments, &result) != napi_ok)
      return;
  }
  HoldLoop(env);
}

}  // namespace oomscope
