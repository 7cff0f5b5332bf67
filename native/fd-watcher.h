// Reports to JavaScript which file descriptors are ready. One thread waits for all descriptors; descriptors that become
// ready together are reported together, with one wake-up of the JavaScript thread.
//
// JavaScript identifies a descriptor by a token. The event loop stays alive while a descriptor is watched or a report
// has not been delivered. The watcher lives as long as the Node environment (the main thread or a worker).
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
  // on_event is called as onEvent(token, ktimeNs, gone). gone: one of `last_events` has occurred, and the descriptor is
  // no longer watched. name: the name of the thread. On failure a JavaScript exception is pending.
  FdWatcher(Napi::Env env, Napi::Function on_event, const char* name, uint32_t last_events);
  ~FdWatcher();

  // Takes ownership of the descriptor, even on failure. Returns a token, or the negative errno.
  Napi::Value Add(Napi::Env env, int fd, uint32_t events);
  // Stops watching the descriptor and closes it. Also drops a report that has not been delivered.
  void Remove(Napi::Env env, uint32_t token);

 private:
  struct Event {
    uint32_t token;
    uint64_t ktime_ns;  // CLOCK_MONOTONIC when the thread woke
    bool gone;          // this is the token's last event
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
  uint32_t last_token_ = 0;  // only the JavaScript thread uses this and holds_loop_
  bool holds_loop_ = false;

  std::mutex mutex_;                           // guards the members below
  std::unordered_map<uint32_t, int> watched_;  // token -> descriptor, which this object owns
  std::vector<Event> events_;
};

}  // namespace oomscope
