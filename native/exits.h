// Tells when processes end: one thread that waits on all their pidfds, and one crossing to JavaScript for those that
// ended together.
//
// Not for children only, and without a SIGCHLD handler: a pidfd is readable once its process is a zombie. While a
// process is watched the event loop stays alive.
#pragma once

#include <napi.h>

#include <cstdint>
#include <mutex>
#include <thread>
#include <unordered_map>
#include <vector>

namespace oomscope {

class ExitWatcher : public Napi::ObjectWrap<ExitWatcher> {
 public:
  static Napi::Function Define(Napi::Env env);
  explicit ExitWatcher(const Napi::CallbackInfo& info);
  ~ExitWatcher() override;

 private:
  struct End {
    uint32_t token;
    uint64_t ktime_ns;  // CLOCK_MONOTONIC, when the thread saw it
  };

  Napi::Value Watch(const Napi::CallbackInfo& info);
  Napi::Value Unwatch(const Napi::CallbackInfo& info);

  void Stop();
  void Poll();
  void Deliver(napi_env env, napi_value on_exit);
  void Forget(std::unordered_map<uint32_t, int>::iterator watched);
  void HoldLoop(napi_env env);
  static void OnThreadSafeCall(Napi::Env env, Napi::Function on_exit, ExitWatcher* self, void*);
  static void OnEnvironmentExit(void* self);

  using Wake = Napi::TypedThreadSafeFunction<ExitWatcher, void, OnThreadSafeCall>;

  napi_env env_ = nullptr;
  Wake wake_;
  std::thread thread_;
  int epoll_ = -1;
  int stop_fd_ = -1;
  uint32_t last_token_ = 0;  // JavaScript's thread only, this and the next
  bool holds_loop_ = false;

  std::mutex mutex_;  // guards what follows
  std::unordered_map<uint32_t, int> watched_;  // a descriptor of our own, by token
  std::vector<End> ends_;
};

}  // namespace oomscope
