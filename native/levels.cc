#include "levels.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "arguments.h"
#include "figures.h"
#include "no-thread.h"
#include "record.h"

namespace oomscope {
namespace {

constexpr const char* kName = "oomscope-levels";
constexpr uint64_t kNsPerMs = 1000000;
constexpr uint64_t kNsPerSecond = 1000000000;
constexpr uint64_t kForever = UINT64_MAX;
constexpr size_t kMostRead = 4096;  // more than what is before the names of memory.stat and /proc/meminfo

}  // namespace

Napi::Function LevelWatcher::Define(Napi::Env env) {
  return DefineClass(env, "LevelWatcher",
                     {InstanceMethod<&LevelWatcher::Watch>("watch"), InstanceMethod<&LevelWatcher::Stop>("stop")});
}

// new LevelWatcher(onLeft): the watcher lives as long as the Node environment, and does not keep the event loop alive
LevelWatcher::LevelWatcher(const Napi::CallbackInfo& info) : Napi::ObjectWrap<LevelWatcher>(info) {
  Arguments arguments(info, "LevelWatcher");
  Napi::Function on_left = arguments.Function("onLeft");
  if (!arguments.good()) return;
  Napi::Env env = info.Env();
  wake_ = Wake::New(env, on_left, kName, 0, 1, this);
  wake_.Unref(env);
  // Hooks run in reverse order: the thread is joined before the thread-safe function is finalized.
  napi_add_env_cleanup_hook(env, OnEnvironmentExit, this);
  try {
    thread_ = std::thread(&LevelWatcher::Look, this);
  } catch (const std::system_error& error) {  // the cgroup allows no more tasks
    napi_remove_env_cleanup_hook(env, OnEnvironmentExit, this);
    wake_.Abort();
    ThrowNoThread(env, kName, error);
    return;
  }
  Ref();
}

LevelWatcher::~LevelWatcher() { End(); }

void LevelWatcher::OnEnvironmentExit(void* self) { static_cast<LevelWatcher*>(self)->End(); }

// Idempotent. Only the JavaScript thread may call it.
void LevelWatcher::End() {
  if (!thread_.joinable()) return;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    ending_ = true;
  }
  Changed();
  thread_.join();
  wake_.Abort();
  levels_.reset();
}

LevelWatcher::Levels::~Levels() {
  for (auto& level : list) close(level.fd);
}

void LevelWatcher::Look() {
  pthread_setname_np(pthread_self(), kName);
  // It runs for some 20 µs at a time. Without CAP_SYS_NICE or a limit of real-time priority it stays at normal priority.
  sched_param parameters{};
  parameters.sched_priority = 1;
  sched_setscheduler(0, SCHED_RR, &parameters);
  uint32_t changes = 0;
  while (!ending_) {
    std::shared_ptr<Levels> levels = Watched(changes);
    if (levels == nullptr) SleepUntil(kForever, changes);
    // No lock is held here: a read may take long while memory is short, and JavaScript must not wait for it.
    while (levels != nullptr && changes == changes_) {
      uint64_t now = Now(CLOCK_MONOTONIC);
      uint64_t next = LookAt(*levels, now);
      if (next > now) {
        SleepUntil(next, changes);
        continue;
      }
      std::lock_guard<std::mutex> lock(mutex_);
      if (levels != levels_) break;
      left_ = true;
      wake_.NonBlockingCall();
      break;
    }
  }
}

// What to look at; null: nothing, until the next change.
std::shared_ptr<LevelWatcher::Levels> LevelWatcher::Watched(uint32_t& changes) {
  std::lock_guard<std::mutex> lock(mutex_);
  changes = changes_;
  return left_ ? nullptr : levels_;
}

// Returns at this time of CLOCK_MONOTONIC, at the next change, or earlier.
void LevelWatcher::SleepUntil(uint64_t due_ns, uint32_t changes) {
  timespec due{static_cast<time_t>(due_ns / kNsPerSecond), static_cast<long>(due_ns % kNsPerSecond)};
  syscall(SYS_futex, &changes_, FUTEX_WAIT_BITSET_PRIVATE, changes, due_ns == kForever ? nullptr : &due, nullptr,
          FUTEX_BITSET_MATCH_ANY);
}

void LevelWatcher::Changed() {
  changes_++;
  syscall(SYS_futex, &changes_, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
}

// When to look again; `now`: a figure has left its range.
uint64_t LevelWatcher::LookAt(Levels& levels, uint64_t now) {
  uint64_t next = UINT64_MAX;
  for (auto& level : levels.list) {
    if (level.due_ns <= now) {
      if (HasLeft(level)) return now;
      level.due_ns = now + level.every_ns;
    }
    next = std::min(next, level.due_ns);
  }
  return next;
}

// A figure that cannot be read counts as one that has left its range: the cgroup was removed, or the file has changed.
bool LevelWatcher::HasLeft(const Level& level) {
  char text[kMostRead + 1];
  ssize_t size = pread(level.fd, text, kMostRead, 0);
  if (size <= 0) return true;
  text[size] = '\0';
  const char* at = text;
  if (!level.name.empty()) {
    at = AfterName(text, level.name.c_str());
    if (at == nullptr) return true;
  }
  char* end = nullptr;
  uint64_t value = strtoull(at, &end, 10);
  return end == at || value < level.least || value > level.most;
}

// ---- the JavaScript thread ----

// watch(levels): from now on these are watched instead of the earlier ones, with copies of the descriptors. onLeft() is
// called once, when the first of them has left its range. Returns 0 or the negative errno; then nothing is watched.
Napi::Value LevelWatcher::Watch(const Napi::CallbackInfo& info) {
  Arguments arguments(info, "watch");
  Arguments given = arguments.Array("levels");
  auto levels = std::make_shared<Levels>();
  uint64_t now = Now(CLOCK_MONOTONIC);
  int error = 0;
  for (uint32_t i = 0; arguments.good() && error == 0 && i < given.length(); i++) {
    Arguments fields = given.Object("levels");
    int fd = fields.Int("fd");
    Level level{-1, fields.Text("name"), fields.BigInt("least"), fields.BigInt("most"), 0, 0};
    level.every_ns = fields.Unsigned("everyMs", 1) * kNsPerMs;
    level.due_ns = now + level.every_ns;
    if (!arguments.good()) break;
    level.fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (level.fd < 0)
      error = errno;
    else
      levels->list.push_back(std::move(level));
  }
  bool watches = arguments.good() && error == 0 && !levels->list.empty();
  Replace(watches ? std::move(levels) : nullptr);
  if (!arguments.good()) return info.Env().Undefined();
  return Napi::Number::New(info.Env(), -error);
}

// stop(): from now on nothing is watched and onLeft() is not called, even if a figure has already left its range
void LevelWatcher::Stop(const Napi::CallbackInfo&) { Replace(nullptr); }

void LevelWatcher::Replace(std::shared_ptr<Levels> levels) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    levels_.swap(levels);
    left_ = false;
  }
  Changed();
}

// Uses plain N-API, as RingReader does: node-addon-api turns a failure in a terminating worker into a fatal error.
void LevelWatcher::OnThreadSafeCall(Napi::Env env, Napi::Function on_left, LevelWatcher* self, void*) {
  if (env == nullptr || self == nullptr) return;
  {
    std::lock_guard<std::mutex> lock(self->mutex_);
    if (!self->left_) return;  // stop() or watch() came first
    self->levels_.reset();
    self->left_ = false;
  }
  Napi::HandleScope scope(env);
  napi_value undefined, result;
  if (napi_get_undefined(env, &undefined) != napi_ok) return;
  napi_call_function(env, undefined, on_left, 0, nullptr, &result);
}

}  // namespace oomscope
