// A thread at real-time priority that gives the CPU back: when it has used more than its share of CPU time, it runs at normal
// priority until the period is over. So neither a storm of records nor a slow handler can take a CPU from other processes.
//
// The share is checked between pieces of work. The JavaScript thread also does work that this file does not see: timers, promises and
// tasks of V8, which may wait in a loop for a worker thread that has no CPU. So a timer of the CPU time of that thread checks, too.
#pragma once

#include <sched.h>

#include <atomic>
#include <cstdint>
#include <ctime>

namespace oomscope {

// In each period the thread has at most `most_ns` of CPU time at real-time priority, and so, where two periods meet, at most twice
// as much in a row. (The kernel's own limit, kernel.sched_rt_runtime_us, is 950 ms of each second.)
struct RealtimeLimit {
  uint64_t most_ns;
  uint64_t period_ns;
};
constexpr RealtimeLimit kPollerLimit{10'000'000, 100'000'000};
constexpr RealtimeLimit kJavaScriptLimit{100'000'000, 500'000'000};
// Of the JavaScript thread's work that is not about records: a guard may need most of a CPU while memory is short.
constexpr uint64_t kWatchedNs = 400'000'000;

class RealtimeShare {
 public:
  RealtimeShare() = default;
  ~RealtimeShare();
  RealtimeShare(const RealtimeShare&) = delete;
  RealtimeShare& operator=(const RealtimeShare&) = delete;

  // All functions act on the calling thread, except the last three, which any thread may call.

  // Takes the policy and the priority. Returns 0 or the errno.
  int Enter(int policy, int priority, const RealtimeLimit& limit);
  // After Enter(): from now on a signal checks the share, too. Only for one thread of the process. Returns 0 or the errno.
  int WatchBySignal();
  // Back to normal priority. Returns 0 or the errno.
  int Leave();
  // Before a piece of work: begins the next period when the last one is over.
  void Begin();
  // After each piece of work: lowers the priority when the share is used up.
  void End();
  // Before long work: normal priority for a period from now on, and then until the next Begin().
  void Lower();

  bool is_realtime() const { return realtime_; }
  bool is_lowered() const { return policy_ != SCHED_OTHER && !realtime_; }
  uint64_t times_lowered() const { return times_lowered_; }
  uint64_t longest_ns() const { return longest_ns_; }  // most CPU time that a period had at real-time priority

 private:
  bool Set(int policy, int priority);
  void Arm(timer_t timer, uint64_t ns);
  void ArmTimer();
  static void OnTimer(int);

  // A signal handler, on the same thread, reads and writes what is atomic here.
  std::atomic<int> policy_{0};  // SCHED_OTHER: it was not asked for, or refused
  std::atomic<int> priority_{0};
  RealtimeLimit limit_{};
  // CLOCK_MONOTONIC and CPU time of the thread, when the period began.
  std::atomic<uint64_t> period_ns_{0};
  std::atomic<uint64_t> cpu_ns_{0};
  bool has_timer_ = false;
  timer_t timer_{};        // of the CPU time of the thread, while it has real-time priority
  timer_t raise_timer_{};  // of CLOCK_MONOTONIC, while it has not
  std::atomic<bool> realtime_{false};
  std::atomic<uint64_t> times_lowered_{0};
  std::atomic<uint64_t> longest_ns_{0};
};

// The share of the JavaScript thread that calls it.
RealtimeShare& JavaScriptShare();

}  // namespace oomscope
