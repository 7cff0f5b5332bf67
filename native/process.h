// Other processes by pidfd, and means for this process to survive a shortage of memory. Each function is one system
// call, and returns its result or the negative errno.
#pragma once

#include <napi.h>

namespace oomscope {

void DefineProcess(Napi::Env env, Napi::Object exports);

// pidfd_send_signal(2) and process_mrelease(2), for the threads of the addon. Both return 0 or the errno.
int SendSignal(int pidfd, int signal);
int ReleaseMemory(int pidfd);

}  // namespace oomscope
