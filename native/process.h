// System calls for JavaScript: on other processes through their pidfds, and to keep this process running when memory is
// short. Most functions make one system call and return its result or the negative errno.
#pragma once

#include <napi.h>

namespace oomscope {

void DefineProcess(Napi::Env env, Napi::Object exports);

// pidfd_send_signal(2) and process_mrelease(2), called by the addon's own threads. Both return 0 or the errno.
int SendSignal(int pidfd, int signal);
int ReleaseMemory(int pidfd);

// Give a process that was sent SIGKILL a low nice value, and SCHED_RR where the JavaScript thread has it, see setDeadline() and
// setScheduler(). (A nice value counts only among the processes of one session or one cgroup.) A process frees shared memory
// only while it exits, and process_mrelease(2) does not do that in its place: so while tasks that wait for memory use the CPU,
// a victim of normal priority may exit for seconds. `pid` must be the pid of the pidfd's process. Errors are ignored: then the
// exit takes longer.
void HurryMainThread(int pidfd, int pid);
void HurryThreads(int pidfd, int pid);

}  // namespace oomscope
