// System calls for JavaScript: on other processes through their pidfds, and to keep this process running when memory is
// short. Each function makes one system call and returns its result or the negative errno.
#pragma once

#include <napi.h>

namespace oomscope {

void DefineProcess(Napi::Env env, Napi::Object exports);

// pidfd_send_signal(2) and process_mrelease(2), called by the addon's own threads. Both return 0 or the errno.
int SendSignal(int pidfd, int signal);
int ReleaseMemory(int pidfd);

}  // namespace oomscope
