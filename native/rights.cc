// Takes capabilities away from this process. The kernel keeps them for each thread, so every thread has to give them up itself: a signal
// makes it do so.
#include "rights.h"

#include <dirent.h>
#include <linux/capability.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <set>
#include <string>

#include "arguments.h"

namespace oomscope {

namespace {

constexpr int kTimeoutMs = 2000;
constexpr int kBlockingMs = 50;

std::atomic<uint64_t> allowed{0};
std::atomic<int> done{0};
std::atomic<int> failure{0};

// Async-signal-safe: it makes system calls only.
int LimitThisThread() {
  uint64_t mask = allowed.load();
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2]{};
  if (syscall(SYS_capget, &header, data) != 0) return errno;
  prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  for (int word = 0; word < 2; word++) {
    auto part = static_cast<uint32_t>(mask >> (32 * word));
    data[word].permitted &= part;
    data[word].effective &= part;
    data[word].inheritable = 0;
  }
  return syscall(SYS_capset, &header, data) == 0 ? 0 : errno;
}

void OnSignal(int) {
  int saved = errno;
  int error = LimitThisThread();
  if (error != 0) failure.store(error);
  done.fetch_add(1);
  errno = saved;
}

// A thread that blocks the signal would never answer. Node's thread that waits for SIGUSR1 blocks all signals.
bool Blocks(pid_t tid, int signal) {
  std::string path = "/proc/self/task/" + std::to_string(tid) + "/status";
  FILE* file = fopen(path.c_str(), "re");
  if (file == nullptr) return true;  // it has ended
  uint64_t blocked = 0;
  char line[256];
  while (fgets(line, sizeof(line), file) != nullptr)
    if (sscanf(line, "SigBlk: %" SCNx64, &blocked) == 1) break;
  fclose(file);
  return (blocked >> (signal - 1) & 1) != 0;
}

// Sends the signal to each thread that has not had it. Returns how many got it, or the negative errno. blocking: how many
// threads block it now. One that has just been started does so for a moment (glibc's pthread_create).
int SignalOthers(int signal, std::set<pid_t>& known, int& blocking) {
  DIR* tasks = opendir("/proc/self/task");
  if (tasks == nullptr) return -errno;
  int sent = 0;
  blocking = 0;
  while (dirent* entry = readdir(tasks)) {
    auto tid = static_cast<pid_t>(std::atoi(entry->d_name));
    if (tid <= 0 || known.count(tid) != 0) continue;
    if (Blocks(tid, signal)) {
      blocking++;
      continue;
    }
    known.insert(tid);
    if (syscall(SYS_tgkill, getpid(), tid, signal) == 0) sent++;
  }
  closedir(tasks);
  return sent;
}

// limitCapabilities(mask) -> 0, or the negative errno; ETIMEDOUT: a thread did not answer
Napi::Value LimitCapabilities(const Napi::CallbackInfo& info) {
  Arguments arguments(info, "limitCapabilities");
  uint64_t mask = arguments.BigInt("mask");
  if (!arguments.good()) return info.Env().Undefined();
  allowed.store(mask);
  done.store(0);
  failure.store(LimitThisThread());
  const int signal = SIGRTMAX - 3;
  struct sigaction action{}, before{};
  action.sa_handler = OnSignal;
  action.sa_flags = SA_RESTART;
  sigaction(signal, &action, &before);
  std::set<pid_t> known{static_cast<pid_t>(syscall(SYS_gettid))};
  int sent = 0;
  int error = 0;
  for (int waited = 0;;) {
    int blocking = 0;
    int more = SignalOthers(signal, known, blocking);  // a thread may have started another one before it had the signal
    if (more < 0) error = -more;
    sent += more < 0 ? 0 : more;
    if (more <= 0 && done.load() >= sent && (blocking == 0 || waited >= kBlockingMs)) break;
    if (++waited > kTimeoutMs) {
      error = ETIMEDOUT;
      break;
    }
    timespec pause{0, 1'000'000};
    nanosleep(&pause, nullptr);
  }
  if (error != ETIMEDOUT) sigaction(signal, &before, nullptr);  // a late signal would otherwise end the process
  if (error == 0) error = failure.load();
  return Napi::Number::New(info.Env(), -error);
}

}  // namespace

void DefineRights(Napi::Env env, Napi::Object exports) {
  exports.Set("limitCapabilities", Napi::Function::New<LimitCapabilities>(env));
}

}  // namespace oomscope
