// Tells JavaScript when descriptors are ready: one thread that waits on all of them, and one crossing for those that were
// ready together.
//
// A descriptor is known to JavaScript by a token. The event loop stays alive while one is watched, or was ready and was
// not told. It lives as long as the environment does.
#pragma once

#include <napi.h>

#include <cstdint>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

namespace oomscope {

class FdWatcher {
 public:
  // onEvent(token, ktimeNs, gone), the function that JavaScript's constructor got; "gone": one of `last_events` came, and
  // the descriptor is watched no more. `name` is the thread's. Throws in JavaScript.
  FdWatcher(Napi::Env env, Napi::Function on_event, const char* name, uint32_t last_events);
  ~FdWatcher();

  // Takes the descriptor, also where it fails. -> a token, or the negative errno
  Napi::Value Add(Napi::Env env, int fd, uint32_t events);
  // Nothing more is told of it, nor what has come already.
  void Remove(Napi::Env env, uint32_t token);

 private:
  struct Event {
    uint32_t token;
    uint64_t ktime_ns;  // CLOCK_MONOTONIC, when the thread woke
    bool gone;          // the last of this token
  };

  bool Open();
  void Stop();
  void Poll();
  void Forget(std::unordered_map<uint32_t, int>::iterator watched);
  void HoldLoop(napi_env env);
  void Deliver(napi_env env, napi_value on_event);
  static void OnThreadSafeCall(Napi::Env env, Napi::Function on_event, FdWatcher* self, void*);
  static void OnEnvironmentExit(void* self);

  using Wake = Napi::TypedThreadSafeFunction<FdWatcher, void, OnThreadSafeCall>;

  const std::string name_;
  const uint32_t last_events_;
  Wake wake_;
  std::thread thread_;
  int epoll_ = -1;
  int stop_fd_ = -1;
  uint32_t last_token_ = 0;  // JavaScript's thread only, this and the next
  bool holds_loop_ = false;

  std::mutex mutex_;  // guards what follows
  std::unordered_map<uint32_t, int> watched_;  // descriptors of our own, by token
  std::vector<Event> events_;
};

}  // namespace oomscope
