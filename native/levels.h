// Looks often at figures of memory, and wakes JavaScript only when one of them has left its range. A look costs a pread(2);
// in JavaScript it costs a turn of the event loop, some twenty times as much.
#pragma once

#include <napi.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace oomscope {

class LevelWatcher : public Napi::ObjectWrap<LevelWatcher> {
 public:
  static Napi::Function Define(Napi::Env env);
  explicit LevelWatcher(const Napi::CallbackInfo& info);
  ~LevelWatcher() override;

 private:
  // A figure of a file of /proc or of a cgroup.
  struct Level {
    int fd;            // owned
    std::string name;  // the number follows this name; "": the file begins with the number
    uint64_t least, most;
    uint64_t every_ns, due_ns;
  };

  // Closes its descriptors at its end. Only the thread changes `due_ns`.
  struct Levels {
    std::vector<Level> list;
    ~Levels();
  };

  Napi::Value Watch(const Napi::CallbackInfo& info);
  void Stop(const Napi::CallbackInfo& info);

  void Look();
  static bool HasLeft(const Level& level);
  static uint64_t LookAt(Levels& levels, uint64_t now);
  void Replace(std::shared_ptr<Levels> levels);
  std::shared_ptr<Levels> Watched(uint32_t& changes);
  void SleepUntil(uint64_t due_ns, uint32_t changes);
  void Changed();
  void End();
  static void OnThreadSafeCall(Napi::Env env, Napi::Function on_left, LevelWatcher* self, void*);
  static void OnEnvironmentExit(void* self);

  using Wake = Napi::TypedThreadSafeFunction<LevelWatcher, void, OnThreadSafeCall>;

  Wake wake_;
  std::thread thread_;

  // Counts the changes of the members below. The thread sleeps on it: a futex costs less to wake from than a condition variable, and
  // the cost of a look is the cost of waking.
  std::atomic<uint32_t> changes_{0};
  std::mutex mutex_;  // guards the members below
  std::shared_ptr<Levels> levels_;  // null: nothing is watched
  bool left_ = false;  // a figure has left its range, and JavaScript has not been told
  std::atomic<bool> ending_{false};
};

}  // namespace oomscope
