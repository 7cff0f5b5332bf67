// Reports to JavaScript the descriptors that are ready: one thread waits for all of them, and one call into JavaScript
// reports those that became ready together.
//
// JavaScript knows a descriptor by a token. The event loop stays alive while a descriptor is watched or its report is
// outstanding. The watcher lives as long as the environment.
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
  // on_event is called as onEvent(token, ktimeNs, gone). gone: one of `last_events` came, and the descriptor is not
  // watched any more. `name` is the thread's. Throws in JavaScript.
  FdWatcher(Napi::Env env, Napi::Function on_event, const char* name, uint32_t last_events);
  ~FdWatcher();

  // Owns the descriptor from now on, even when it fails. -> a token, or the negative errno
  Napi::Value Add(Napi::Env env, int fd, uint32_t events);
  // Drops also a report that has not been delivered.
  void Remove(Napi::Env env, uint32_t token);

 private:
  struct Event {
    uint32_t token;
    uint64_t ktime_ns;  // CLOCK_MONOTONIC, when the thread woke
    bool gone;          // the last event of this token
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
  uint32_t last_token_ = 0;  // this and the next are for JavaScript's thread only
  bool holds_loop_ = false;

  std::mutex mutex_;                           // guards the members below
  std::unordered_map<uint32_t, int> watched_;  // the descriptors that it owns, by token
  std::vector<Event> events_;
};

}  // namespace oomscope
