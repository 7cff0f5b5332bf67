#include "process.h"

#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cinttypes>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "arguments.h"
#include "realtime.h"

// The headers of some supported distributions lack these system calls. The numbers are the same on every architecture.
#ifndef SYS_pidfd_send_signal
#define SYS_pidfd_send_signal 424
#endif
#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif
#ifndef SYS_process_mrelease
#define SYS_process_mrelease 448
#endif

namespace oomscope {

int SendSignal(int pidfd, int signal) {
  return syscall(SYS_pidfd_send_signal, pidfd, signal, nullptr, 0) == 0 ? 0 : errno;
}

int ReleaseMemory(int pidfd) { return syscall(SYS_process_mrelease, pidfd, 0) == 0 ? 0 : errno; }

namespace {

// The SCHED_RR priority that a process gets for its exit; 0: none.
std::atomic<int> exit_priority{0};

// Six times the CPU time of a task of normal priority, each of which still gets the CPU every few milliseconds.
constexpr int kExitNice = -8;

// From linux/sched/types.h, which older kernel headers lack.
struct SchedulingAttributes {
  uint32_t size;
  uint32_t policy;
  uint64_t flags;
  int32_t nice;
  uint32_t priority;
  uint64_t runtime_ns;
  uint64_t deadline_ns;
  uint64_t period_ns;
};

void Hurry(pid_t thread) {
  errno = 0;
  int nice = getpriority(PRIO_PROCESS, static_cast<id_t>(thread));
  if (errno == 0 && nice > kExitNice) setpriority(PRIO_PROCESS, static_cast<id_t>(thread), kExitNice);
  sched_param parameters{};
  parameters.sched_priority = exit_priority;
  if (parameters.sched_priority > 0) sched_setscheduler(thread, SCHED_RR, &parameters);
}

}  // namespace

// Until the parent of the process has called wait(2), which signal 0 shows, no other process has its pid.
void HurryMainThread(int pidfd, int pid) {
  if (SendSignal(pidfd, 0) == 0) Hurry(pid);
}

void HurryThreads(int pidfd, int pid) {
  char path[32];
  snprintf(path, sizeof(path), "/proc/%d/task", pid);
  DIR* tasks = opendir(path);
  if (tasks == nullptr) return;
  while (dirent* task = readdir(tasks)) {
    int thread = atoi(task->d_name);
    if (thread > 0 && SendSignal(pidfd, 0) == 0) Hurry(thread);
  }
  closedir(tasks);
}

namespace {

Napi::Value Result(const Napi::CallbackInfo& info, long result) {
  return Napi::Number::New(info.Env(), static_cast<double>(result < 0 ? -errno : result));
}

// pidfdOpen(pid) -> a descriptor with the close-on-exec flag
Napi::Value PidfdOpen(const Napi::CallbackInfo& info) {
  Arguments arguments(info, "pidfdOpen");
  int pid = arguments.Int("pid");
  if (!arguments.good()) return info.Env().Undefined();
  return Result(info, syscall(SYS_pidfd_open, pid, 0));
}

// hurryExit(pidfd, pid): see HurryMainThread() in process.h
Napi::Value HurryExit(const Napi::CallbackInfo& info) {
  Arguments arguments(info, "hurryExit");
  int pidfd = arguments.Int("pidfd");
  int pid = arguments.Int("pid");
  if (!arguments.good()) return info.Env().Undefined();
  HurryMainThread(pidfd, pid);
  HurryThreads(pidfd, pid);
  return info.Env().Undefined();
}

// pidfdSignal(pidfd, signal)
Napi::Value PidfdSignal(const Napi::CallbackInfo& info) {
  Arguments arguments(info, "pidfdSignal");
  int pidfd = arguments.Int("pidfd");
  int signal = arguments.Int("signal");
  if (!arguments.good()) return info.Env().Undefined();
  errno = SendSignal(pidfd, signal);
  return Result(info, errno == 0 ? 0 : -1);
}

// Works on a copy of the descriptor. If the caller closes its own descriptor meanwhile, its number may be reused.
class Release : public Napi::AsyncWorker {
 public:
  Release(Napi::Env env, int pidfd)
      : AsyncWorker(env), deferred_(Napi::Promise::Deferred::New(env)), pidfd_(fcntl(pidfd, F_DUPFD_CLOEXEC, 0)) {
    if (pidfd_ < 0) result_ = -errno;
  }
  ~Release() override {
    if (pidfd_ >= 0) close(pidfd_);
  }
  Napi::Promise Promise() const { return deferred_.Promise(); }

 protected:
  void Execute() override {
    if (pidfd_ >= 0) result_ = -ReleaseMemory(pidfd_);
  }
  void OnOK() override { deferred_.Resolve(Napi::Number::New(Env(), result_)); }

 private:
  Napi::Promise::Deferred deferred_;
  int pidfd_;
  int result_ = 0;
};

// processMrelease(pidfd): frees the memory of a dying process, even while the process cannot run. Resolves with the
// result of process_mrelease(2).
Napi::Value ProcessMrelease(const Napi::CallbackInfo& info) {
  Arguments arguments(info, "processMrelease");
  int pidfd = arguments.Int("pidfd");
  if (!arguments.good()) return info.Env().Undefined();
  auto* release = new Release(info.Env(), pidfd);
  release->Queue();
  return release->Promise();
}

// lockMemory(): locks pages that are mapped from files (the code of Node, of libraries and of this addon) as soon as
// they are first used. Anonymous memory is not locked: V8 discards pages of its heap with madvise(2), which fails for
// locked pages, and then V8 aborts the process (OS::DiscardSystemPages, CHECK_EQ(0, ret)).
Napi::Value LockMemory(const Napi::CallbackInfo& info) {
  FILE* maps = fopen("/proc/self/maps", "re");
  if (maps == nullptr) return Napi::Number::New(info.Env(), -errno);
  int error = 0;
  char* line = nullptr;
  size_t size = 0;
  while (getline(&line, &size, maps) > 0) {
    uintptr_t start = 0, end = 0;
    unsigned long inode = 0;
    if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %*s %*s %*s %lu", &start, &end, &inode) != 3 || inode == 0) continue;
    if (mlock2(reinterpret_cast<void*>(start), end - start, MLOCK_ONFAULT) != 0 && error == 0) error = errno;
  }
  free(line);
  fclose(maps);
  return Napi::Number::New(info.Env(), -error);
}

// One mapping of this process, from /proc/self/smaps.
struct Mapping {
  uintptr_t start = 0, end = 0;
  bool is_unchanged = false;  // of a file, read-only, and no page differs from the file
  bool is_locked = false;
};

// Unmaps the pages of a mapping. They stay in the page cache, and the next access maps those that are still needed.
int Drop(const Mapping& mapping) {
  void* start = reinterpret_cast<void*>(mapping.start);
  size_t size = mapping.end - mapping.start;
  if (mapping.is_locked && munlock(start, size) != 0) return errno;
  int error = madvise(start, size, MADV_DONTNEED) == 0 ? 0 : errno;
  if (mapping.is_locked && mlock2(start, size, MLOCK_ONFAULT) != 0 && error == 0) error = errno;
  return error;
}

// dropFilePages(): unmaps the pages of the executable and its libraries that only the start has needed: some 20 MB of
// Node's own code. Pages that were changed after loading, as those of relocations, would be lost, so that mappings with such
// pages are left alone. Returns 0 or the negative errno.
Napi::Value DropFilePages(const Napi::CallbackInfo& info) {
  FILE* maps = fopen("/proc/self/smaps", "re");
  if (maps == nullptr) return Napi::Number::New(info.Env(), -errno);
  std::vector<Mapping> mappings;
  char* line = nullptr;
  size_t size = 0;
  while (getline(&line, &size, maps) > 0) {
    Mapping found;
    char rights[5] = "";
    unsigned long inode = 0, kib = 0;
    if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %4s %*s %*s %lu", &found.start, &found.end, rights, &inode) == 4) {
      found.is_unchanged = inode != 0 && rights[1] == '-' && rights[3] == 'p';
      mappings.push_back(found);
    } else if (!mappings.empty() && sscanf(line, "Anonymous: %lu kB", &kib) == 1) {
      mappings.back().is_unchanged &= kib == 0;
    } else if (!mappings.empty() && sscanf(line, "Locked: %lu kB", &kib) == 1) {
      mappings.back().is_locked = kib != 0;
    }
  }
  free(line);
  fclose(maps);
  int error = 0;
  for (const Mapping& mapping : mappings) {
    int failed = mapping.is_unchanged ? Drop(mapping) : 0;
    if (failed != 0) error = failed;
  }
  return Napi::Number::New(info.Env(), -error);
}

Napi::Value UnlockMemory(const Napi::CallbackInfo& info) { return Result(info, munlockall()); }

// setNice(value), setScheduler(policy, priority): change the calling thread, which runs JavaScript. At real-time priority
// kJavaScriptLimit holds while it handles records, and kWatchedNs of each such period whatever it does.
Napi::Value SetNice(const Napi::CallbackInfo& info) {
  Arguments arguments(info, "setNice");
  int value = arguments.Int("value");
  if (!arguments.good()) return info.Env().Undefined();
  return Result(info, setpriority(PRIO_PROCESS, 0, value));
}

Napi::Value SetScheduler(const Napi::CallbackInfo& info) {
  Arguments arguments(info, "setScheduler");
  int policy = arguments.Int("policy");
  int priority = arguments.Int("priority");
  if (!arguments.good()) return info.Env().Undefined();
  RealtimeShare& share = JavaScriptShare();
  int error = policy == SCHED_OTHER ? share.Leave() : share.Enter(policy, priority, kJavaScriptLimit);
  if (error == 0 && policy != SCHED_OTHER) {
    error = share.WatchBySignal();
    if (error != 0) share.Leave();  // no real-time priority that nothing limits
  }
  if (error == 0) exit_priority = policy == SCHED_OTHER ? 0 : priority;
  errno = error;
  return Result(info, error == 0 ? 0 : -1);
}

// setDeadline(runtimeUs, periodUs): SCHED_DEADLINE for the calling thread, which runs JavaScript. setScheduler() ends it.
Napi::Value SetDeadline(const Napi::CallbackInfo& info) {
  Arguments arguments(info, "setDeadline");
  uint64_t runtime_us = arguments.Unsigned("runtimeUs");
  uint64_t period_us = arguments.Unsigned("periodUs");
  if (!arguments.good()) return info.Env().Undefined();
  constexpr uint64_t kResetOnFork = 1;  // SCHED_FLAG_RESET_ON_FORK: without it, this thread could start no thread or process
  SchedulingAttributes wanted{sizeof(wanted), SCHED_DEADLINE, kResetOnFork, 0, 0, runtime_us * 1000, period_us * 1000, period_us * 1000};
  JavaScriptShare().Leave();
  long result = syscall(SYS_sched_setattr, 0, &wanted, 0);
  // This is for machines with one CPU. There a victim with SCHED_RR would let nothing else run, and the slices leave it enough time.
  if (result == 0) exit_priority = 0;
  return Result(info, result);
}

// sendDatagram(path, text): sends to a unix socket; "@name" is an abstract address. Does not wait for a slow receiver.
Napi::Value SendDatagram(const Napi::CallbackInfo& info) {
  Arguments arguments(info, "sendDatagram");
  std::string path = arguments.Path("path");
  std::string text = arguments.Text("text");
  if (!arguments.good()) return info.Env().Undefined();
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  errno = EINVAL;
  if (path.empty() || path.size() >= sizeof(address.sun_path)) return Result(info, -1);
  std::copy(path.begin(), path.end(), address.sun_path);
  bool abstract = path[0] == '@';
  if (abstract) address.sun_path[0] = '\0';
  // The length of a path includes its NUL. The length of an abstract name does not.
  auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + (abstract ? 0 : 1));
  int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return Result(info, -1);
  ssize_t sent = sendto(fd, text.data(), text.size(), MSG_NOSIGNAL, reinterpret_cast<sockaddr*>(&address), length);
  int error = errno;
  close(fd);
  errno = error;
  return Result(info, sent);
}

// lockFile(fd): takes an exclusive flock(2), held until the descriptor is closed or the process exits. -EWOULDBLOCK:
// another process has the lock.
Napi::Value LockFile(const Napi::CallbackInfo& info) {
  Arguments arguments(info, "lockFile");
  int fd = arguments.Int("fd");
  if (!arguments.good()) return info.Env().Undefined();
  return Result(info, flock(fd, LOCK_EX | LOCK_NB));
}

}  // namespace

void DefineProcess(Napi::Env env, Napi::Object exports) {
  exports.Set("pidfdOpen", Napi::Function::New<PidfdOpen>(env));
  exports.Set("pidfdSignal", Napi::Function::New<PidfdSignal>(env));
  exports.Set("hurryExit", Napi::Function::New<HurryExit>(env));
  exports.Set("processMrelease", Napi::Function::New<ProcessMrelease>(env));
  exports.Set("lockMemory", Napi::Function::New<LockMemory>(env));
  exports.Set("dropFilePages", Napi::Function::New<DropFilePages>(env));
  exports.Set("unlockMemory", Napi::Function::New<UnlockMemory>(env));
  exports.Set("setNice", Napi::Function::New<SetNice>(env));
  exports.Set("setScheduler", Napi::Function::New<SetScheduler>(env));
  exports.Set("setDeadline", Napi::Function::New<SetDeadline>(env));
  exports.Set("lockFile", Napi::Function::New<LockFile>(env));
  exports.Set("sendDatagram", Napi::Function::New<SendDatagram>(env));
}

}  // namespace oomscope
