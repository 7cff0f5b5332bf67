#include "armed.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <ctime>

#include "arguments.h"
#include "figures.h"
#include "process.h"
#include "record.h"

namespace oomscope {
namespace {

constexpr size_t kMostStatus = 4096;  // of /proc/PID/status

}  // namespace

ArmedTargets::~ArmedTargets() {
  for (auto& target : targets_) Close(target);
  while (dying_count_ > 0) close(dying_[--dying_count_].pidfd);
}

// arm({ pidfd, statusFd, leastKib, signal, release, expiresNs, kind, fields: [{ offset, bytes, value, atLeast }] }) -> id, or the negative
// errno
Napi::Value ArmedTargets::Arm(const Napi::CallbackInfo& info, std::mutex& mutex) {
  Arguments arguments(info, "arm");
  Arguments o = arguments.Object("target");
  Target target{};
  int pidfd = o.Int("pidfd");
  target.process.pid = o.Int("pid");
  target.kind = static_cast<uint16_t>(o.Unsigned("kind", 0, UINT16_MAX));
  int status = o.Int("statusFd");
  target.least.kib = o.Unsigned("leastKib");
  target.signal = o.Int("signal");
  target.release = o.Boolean("release");
  target.expires_ns = o.BigInt("expiresNs");
  Arguments fields = o.Array("fields");
  for (uint32_t i = 0; i < fields.length(); i++) {
    Arguments field = fields.Object("");
    Comparison one{};
    one.offset = field.Unsigned("offset");
    one.bytes = field.Unsigned("bytes", 4, 8) == 8 ? 8 : 4;
    one.value = field.BigInt("value");
    one.at_least = field.OptionalBoolean("atLeast");
    target.comparisons.push_back(one);
  }
  if (!arguments.good()) return info.Env().Undefined();
  target.process.pidfd = fcntl(pidfd, F_DUPFD_CLOEXEC, 3);
  if (target.process.pidfd < 0) return Napi::Number::New(info.Env(), -errno);
  target.least.status = status < 0 ? -1 : fcntl(status, F_DUPFD_CLOEXEC, 3);
  std::lock_guard<std::mutex> lock(mutex);
  target.id = ++last_id_;
  targets_.push_back(target);
  signalled_.reserve(signalled_.size() + targets_.size());  // the thread that signals must not allocate
  return Napi::Number::New(info.Env(), target.id);
}

// refresh(id, expiresNs) -> whether the target is still armed
Napi::Value ArmedTargets::Refresh(const Napi::CallbackInfo& info, std::mutex& mutex) {
  Arguments arguments(info, "refresh");
  uint32_t id = arguments.Unsigned("id");
  uint64_t expires_ns = arguments.BigInt("expiresNs");
  if (!arguments.good()) return info.Env().Undefined();
  std::lock_guard<std::mutex> lock(mutex);
  auto target = Find(id);
  bool armed = target != targets_.end();
  if (armed) target->expires_ns = expires_ns;
  return Napi::Boolean::New(info.Env(), armed);
}

// disarm(id) -> whether the target was still armed
Napi::Value ArmedTargets::Disarm(const Napi::CallbackInfo& info, std::mutex& mutex) {
  Arguments arguments(info, "disarm");
  uint32_t id = arguments.Unsigned("id");
  if (!arguments.good()) return info.Env().Undefined();
  std::lock_guard<std::mutex> lock(mutex);
  auto target = Find(id);
  bool armed = target != targets_.end();
  if (armed) Remove(target);
  return Napi::Boolean::New(info.Env(), armed);
}

// takeSignalled() -> [{ id, errno, recordNs, signalNs }]: the signals sent since the last call
Napi::Value ArmedTargets::TakeSignalled(const Napi::CallbackInfo& info, std::mutex& mutex) {
  Napi::Env env = info.Env();
  std::lock_guard<std::mutex> lock(mutex);
  Napi::Array out = Napi::Array::New(env, signalled_.size());
  for (size_t i = 0; i < signalled_.size(); i++) {
    Napi::Object one = Napi::Object::New(env);
    one.Set("id", Napi::Number::New(env, signalled_[i].id));
    one.Set("errno", Napi::Number::New(env, signalled_[i].error));
    one.Set("recordNs", Napi::BigInt::New(env, signalled_[i].record_ns));
    one.Set("signalNs", Napi::BigInt::New(env, signalled_[i].signal_ns));
    out.Set(static_cast<uint32_t>(i), one);
  }
  signalled_.clear();
  return out;
}

void ArmedTargets::OnRecord(const uint8_t* data, size_t size) {
  if (targets_.empty() || size < sizeof(RecordHeader)) return;
  RecordHeader header;
  std::memcpy(&header, data, sizeof(header));
  for (auto target = targets_.begin(); target != targets_.end();) {
    if (target->kind != header.kind || !Meets(*target, data, size) || Now(CLOCK_MONOTONIC) >= target->expires_ns) {
      ++target;
      continue;
    }
    if (target->signal != 0) {
      bool shrunk = HasShrunk(target->least);
      int error = shrunk ? ERANGE : SendSignal(target->process.pidfd, target->signal);
      target->process.killed = target->signal == SIGKILL && error == 0;
      signalled_.push_back({target->id, error, header.ktime_ns, Now(CLOCK_MONOTONIC)});
    }
    if (target->release && dying_count_ < dying_.size()) {
      dying_[dying_count_++] = target->process;
      target->process.pidfd = -1;
    }
    auto index = target - targets_.begin();
    Remove(target);
    target = targets_.begin() + index;
  }
}

void ArmedTargets::ReleaseDying(std::unique_lock<std::mutex>& lock, RealtimeShare& share) {
  constexpr int kAttempts = 10;  // the kernel's OOM reaper also tries 10 times (MAX_OOM_REAP_RETRIES)
  if (releasing_) return;
  releasing_ = true;
  while (dying_count_ > 0) {
    Process process = dying_[--dying_count_];
    lock.unlock();
    if (process.killed) HurryMainThread(process.pidfd, process.pid);
    share.Lower();
    // EAGAIN: the kernel has freed a part of the memory. Any other result is final: all is freed, the process has
    // exited, the process is not dying, or the kernel is older than 5.15 and lacks the call.
    int result = ReleaseMemory(process.pidfd);
    // EINVAL: the process is not dying. ESRCH: it has given up its address space, and may still have to free files.
    bool dying = result == 0 || result == EAGAIN || result == ESRCH;
    if (process.killed || dying) HurryThreads(process.pidfd, process.pid);
    for (int i = 1; i < kAttempts && result == EAGAIN; i++) {
      usleep(1000);
      result = ReleaseMemory(process.pidfd);
    }
    close(process.pidfd);
    lock.lock();
  }
  releasing_ = false;
}

bool ArmedTargets::Meets(const Target& target, const uint8_t* data, size_t size) {
  return std::all_of(target.comparisons.begin(), target.comparisons.end(), [&](const Comparison& one) {
    if (one.offset > size || size - one.offset < one.bytes) return false;
    // copying 4 bytes into it works only on little-endian machines; all supported machines are little-endian
    uint64_t value = 0; 
    std::memcpy(&value, data + one.offset, one.bytes);
    return one.at_least ? value >= one.value : value == one.value;
  });
}

std::vector<ArmedTargets::Target>::iterator ArmedTargets::Find(uint32_t id) {
  return std::find_if(targets_.begin(), targets_.end(), [id](const Target& target) { return target.id == id; });
}

void ArmedTargets::Remove(std::vector<Target>::iterator target) {
  Close(*target);
  targets_.erase(target);
}

void ArmedTargets::Close(Target& target) {
  if (target.process.pidfd >= 0) close(target.process.pidfd);
  if (target.least.status >= 0) close(target.least.status);
}

// A file that cannot be read, or has no memory because the main thread has exited, says nothing.
bool ArmedTargets::HasShrunk(const Least& least) {
  char text[kMostStatus];
  if (least.status < 0 || !ReadText(least.status, text, sizeof(text))) return false;
  double resident = NumberAt(AfterName(text, "VmRSS:"));
  double swapped = NumberAt(AfterName(text, "VmSwap:"));
  return resident + swapped < static_cast<double>(least.kib);
}

}  // namespace oomscope
