#include "realtime.h"

#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "record.h"

namespace oomscope {
namespace {

// Node handles no real-time signal, and glibc keeps the first two for itself.
int TimerSignal() { return SIGRTMIN + 6; }

// The share that OnTimer() checks.
std::atomic<RealtimeShare*> watched{nullptr};

}  // namespace

RealtimeShare& JavaScriptShare() {
  static thread_local RealtimeShare share;
  return share;
}

RealtimeShare::~RealtimeShare() {
  if (!has_timer_) return;
  timer_delete(timer_);
  timer_delete(raise_timer_);
  watched = nullptr;
}

bool RealtimeShare::Set(int policy, int priority) {
  sched_param parameters{};
  parameters.sched_priority = priority;
  bool done = sched_setscheduler(0, policy | SCHED_RESET_ON_FORK, &parameters) == 0;
  if (done) realtime_ = policy != SCHED_OTHER;
  return done;
}

int RealtimeShare::Enter(int policy, int priority, const RealtimeLimit& limit) {
  if (!Set(policy, priority)) return errno;
  policy_ = policy;
  priority_ = priority;
  limit_ = limit;
  period_ns_ = Now(CLOCK_MONOTONIC);
  cpu_ns_ = Now(CLOCK_THREAD_CPUTIME_ID);
  return 0;
}

int RealtimeShare::WatchBySignal() {
  RealtimeShare* none = nullptr;
  if (has_timer_ || !watched.compare_exchange_strong(none, this)) {
    ArmTimer();
    return 0;
  }
  struct sigaction action{};
  action.sa_handler = OnTimer;
  action.sa_flags = SA_RESTART;
  sigevent event{};
  event.sigev_notify = SIGEV_THREAD_ID;
  event.sigev_signo = TimerSignal();
#ifndef sigev_notify_thread_id  // older glibc has only the name of the union's member
#define sigev_notify_thread_id _sigev_un._tid
#endif
  event.sigev_notify_thread_id = static_cast<pid_t>(syscall(SYS_gettid));
  bool can_raise = sigaction(TimerSignal(), &action, nullptr) == 0 && timer_create(CLOCK_MONOTONIC, &event, &raise_timer_) == 0;
  int error = can_raise ? 0 : errno;
  if (error == 0 && timer_create(CLOCK_THREAD_CPUTIME_ID, &event, &timer_) != 0) {
    error = errno;
    timer_delete(raise_timer_);
  }
  if (error != 0) {
    watched = nullptr;
    return error;
  }
  has_timer_ = true;
  ArmTimer();
  return 0;
}

// Once, after kWatchedNs of CPU time. Not again and again: a signal makes the kernel begin the verification of a BPF program anew.
void RealtimeShare::ArmTimer() {
  Arm(timer_, realtime_ ? kWatchedNs : 0);
}

// Once, after this time. 0: not at all.
void RealtimeShare::Arm(timer_t timer, uint64_t ns) {
  if (!has_timer_) return;
  itimerspec once{};
  once.it_value.tv_sec = static_cast<time_t>(ns / 1000000000);
  once.it_value.tv_nsec = static_cast<long>(ns % 1000000000);
  timer_settime(timer, 0, &once, nullptr);
}

// A whole period at normal priority, which a timer ends where no other work calls Begin().
void RealtimeShare::Lower() {
  period_ns_ = Now(CLOCK_MONOTONIC);
  if (realtime_ && Set(SCHED_OTHER, 0)) times_lowered_++;
  Arm(raise_timer_, limit_.period_ns);
}

// Runs on the thread of the share. Calls only what a signal handler may call.
void RealtimeShare::OnTimer(int) {
  RealtimeShare* share = watched;
  if (share == nullptr || share->policy_ == SCHED_OTHER) return;
  int saved = errno;
  uint64_t now = Now(CLOCK_MONOTONIC);
  if (now - share->period_ns_ >= share->limit_.period_ns)
    share->Begin();  // it took longer than a period to use this CPU time, or the period at normal priority is over
  else if (share->realtime_)
    share->Lower();
  errno = saved;
}

int RealtimeShare::Leave() {
  policy_ = SCHED_OTHER;
  return Set(SCHED_OTHER, 0) ? 0 : errno;
}

void RealtimeShare::Begin() {
  if (policy_ == SCHED_OTHER) return;
  uint64_t now = Now(CLOCK_MONOTONIC);
  if (now - period_ns_ < limit_.period_ns) return;
  period_ns_ = now;
  cpu_ns_ = Now(CLOCK_THREAD_CPUTIME_ID);
  if (!realtime_) Set(policy_, priority_);  // refused after the process has given up CAP_SYS_NICE without RLIMIT_RTPRIO
  ArmTimer();
}

void RealtimeShare::End() {
  if (!realtime_ || policy_ == SCHED_OTHER) return;
  uint64_t used = Now(CLOCK_THREAD_CPUTIME_ID) - cpu_ns_;
  if (used > longest_ns_) longest_ns_ = used;
  if (used >= limit_.most_ns) Lower();
}

}  // namespace oomscope
