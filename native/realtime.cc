#include "realtime.h"

#include <sched.h>

#include <cerrno>

#include "record.h"

namespace oomscope {

RealtimeShare& JavaScriptShare() {
  static thread_local RealtimeShare share;
  return share;
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
}

void RealtimeShare::End() {
  if (!realtime_ || policy_ == SCHED_OTHER) return;
  uint64_t used = Now(CLOCK_THREAD_CPUTIME_ID) - cpu_ns_;
  if (used > longest_ns_) longest_ns_ = used;
  if (used < limit_.most_ns) return;
  period_ns_ = Now(CLOCK_MONOTONIC);  // a whole period at normal priority
  if (Set(SCHED_OTHER, 0)) times_lowered_++;
}

}  // namespace oomscope
