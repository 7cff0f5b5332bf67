// Processes that get a signal when a record comes: from the thread that reads the ring, with no JavaScript in between.
//
// Mechanism only. A condition is the kind of a record and comparisons of its fields with numbers; their meaning is the
// caller's business. A target is a pidfd, so it cannot become another process, and it gets at most one signal. On
// request the same thread then frees the memory of the process, if this signal or another one has made it exit: a
// victim that has its SIGKILL but no CPU yet gives no memory back, and one that has begun to exit no longer counts for
// the kernel's OOM killer, which then kills a second process for the same shortage.
#pragma once

#include <napi.h>

#include <array>
#include <cstdint>
#include <mutex>
#include <vector>

namespace oomscope {

class ArmedTargets {
 public:
  ~ArmedTargets();

  // For JavaScript. The owner holds its lock.
  Napi::Value Arm(const Napi::CallbackInfo& info);
  Napi::Value Refresh(const Napi::CallbackInfo& info);
  Napi::Value Disarm(const Napi::CallbackInfo& info);
  Napi::Value TakeSignalled(const Napi::CallbackInfo& info);

  // For the poller threads. The owner holds its lock. Takes some microseconds when a condition is met.
  void OnRecord(const uint8_t* data, size_t size);
  bool has_dying() const { return dying_count_ > 0 && !releasing_; }
  // Releases the lock while the kernel works, for it may take milliseconds, or wait for the victim.
  void ReleaseDying(std::unique_lock<std::mutex>& lock);

 private:
  struct Comparison {
    uint32_t offset;
    uint32_t bytes;  // 4 or 8, unsigned
    bool at_least;   // otherwise equal
    uint64_t value;
  };
  struct Target {
    uint32_t id;
    uint16_t kind;
    int pidfd;   // a copy
    int signal;  // 0: none
    bool release;
    uint64_t expires_ns;  // CLOCK_MONOTONIC
    std::vector<Comparison> comparisons;
  };
  struct Signalled {
    uint32_t id;
    int error;  // errno, 0: the signal was sent
    uint64_t record_ns;
    uint64_t signal_ns;
  };

  static bool Meets(const Target& target, const uint8_t* data, size_t size);
  std::vector<Target>::iterator Find(uint32_t id);
  void Remove(std::vector<Target>::iterator target);

  std::vector<Target> targets_;
  std::vector<Signalled> signalled_;  // at most one for each target
  uint32_t last_id_ = 0;
  std::array<int, 32> dying_{};  // pidfds of processes whose memory must be freed
  size_t dying_count_ = 0;
  bool releasing_ = false;  // one thread does it, so that the other can read the next record
};

}  // namespace oomscope
