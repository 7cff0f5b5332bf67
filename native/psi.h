// PSI triggers: one thread that waits on all of them for POLLPRI, and one crossing to JavaScript for those that fired
// together. A trigger lives as long as its descriptor is open.
#pragma once

#include <napi.h>

#include <cstdint>
#include <mutex>
#include <thread>
#include <unordered_map>
#include <vector>

namespace oomscope {

class PsiWatcher : public Napi::ObjectWrap<PsiWatcher> {
 public:
  static Napi::Function Define(Napi::Env env);
  explicit PsiWatcher(const Napi::CallbackInfo& info);
  ~PsiWatcher() override;

 private:
  struct Event {
    uint32_t token;
    uint64_t ktime_ns;  // CLOCK_MONOTONIC, when the thread woke
    bool gone;          // the cgroup was removed: the last event of this trigger
  };

  Napi::Value Add(const Napi::CallbackInfo& info);
  Napi::Value Remove(const Napi::CallbackInfo& info);

  void Stop();
  void Poll();
  void Forget(std::unordered_map<uint32_t, int>::iterator trigger);
  void HoldLoop(napi_env env);
  void Deliver(napi_env env, napi_value on_event);
  static void OnThreadSafeCall(Napi::Env env, Napi::Function on_event, PsiWatcher* self, void*);
  static void OnEnvironmentExit(void* self);

  using Wake = Napi::TypedThreadSafeFunction<PsiWatcher, void, OnThreadSafeCall>;

  Wake wake_;
  std::thread thread_;
  int epoll_ = -1;
  int stop_fd_ = -1;
  uint32_t last_token_ = 0;  // JavaScript's thread only, this and the next
  bool holds_loop_ = false;

  std::mutex mutex_;  // guards what follows
  std::unordered_map<uint32_t, int> triggers_;
  std::vector<Event> events_;
};

}  // namespace oomscope
