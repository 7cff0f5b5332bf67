// Signals processes when a certain record arrives. The thread that reads the ring sends the signal itself, without
// waiting for JavaScript.
//
// A condition is the kind of a record and comparisons of its fields with numbers; only the caller knows what they mean.
// A target is a pidfd, so it is always the same process, and it gets at most one signal. On request the same thread
// then frees the memory of the process with process_mrelease(2), if the process is dying, and raises its priority. This
// is needed because a victim that waits for a CPU after SIGKILL frees no memory, and the kernel's OOM killer ignores a
// victim that has begun to exit: it would kill a second process for the same shortage.
#pragma once

#include <napi.h>

#include <array>
#include <cstdint>
#include <mutex>
#include <vector>

#include "realtime.h"

namespace oomscope {

class ArmedTargets {
 public:
  ~ArmedTargets();

  // Called by JavaScript. They lock RingReader's mutex after they have read their arguments, because a getter of an
  // argument may call JavaScript.
  Napi::Value Arm(const Napi::CallbackInfo& info, std::mutex& mutex);
  Napi::Value Refresh(const Napi::CallbackInfo& info, std::mutex& mutex);
  Napi::Value Disarm(const Napi::CallbackInfo& info, std::mutex& mutex);
  Napi::Value TakeSignalled(const Napi::CallbackInfo& info, std::mutex& mutex);

  // Called by the poller threads. The caller holds RingReader's mutex. Takes some microseconds when a condition is met.
  void OnRecord(const uint8_t* data, size_t size);
  bool has_dying() const { return dying_count_ > 0 && !releasing_; }
  // Unlocks during process_mrelease(2), which may take a second on a slow CPU, and lowers the calling thread's priority for it.
  void ReleaseDying(std::unique_lock<std::mutex>& lock, RealtimeShare& share);

 private:
  struct Comparison {
    uint32_t offset;
    uint32_t bytes;  // size of the unsigned field: 4 or 8
    bool at_least;   // true: field >= value; false: field == value
    uint64_t value;
  };
  struct Process {
    int pidfd;  // a copy of the caller's descriptor
    int pid;
    bool killed;  // this thread has sent it SIGKILL
  };
  // The target is not signalled if it holds less memory and swap by then.
  struct Least {
    int status;    // a copy of the caller's descriptor of /proc/PID/status; -1: the target is signalled however little it holds
    uint64_t kib;
  };
  struct Target {
    uint32_t id;
    uint16_t kind;
    Process process;
    Least least;
    int signal;  // 0: no signal is sent
    bool release;
    uint64_t expires_ns;  // CLOCK_MONOTONIC
    std::vector<Comparison> comparisons;
  };
  struct Signalled {
    uint32_t id;
    int error;  // errno, 0: the signal was sent; ERANGE: the target holds too little memory
    uint64_t record_ns;
    uint64_t signal_ns;
  };

  static bool HasShrunk(const Least& least);
  static void Close(Target& target);
  static bool Meets(const Target& target, const uint8_t* data, size_t size);
  std::vector<Target>::iterator Find(uint32_t id);
  void Remove(std::vector<Target>::iterator target);

  std::vector<Target> targets_;
  std::vector<Signalled> signalled_;  // at most one for each target
  uint32_t last_id_ = 0;
  std::array<Process, 32> dying_{};  // processes whose memory must be freed
  size_t dying_count_ = 0;
  bool releasing_ = false;  // a thread is in ReleaseDying(); meanwhile the other thread reads records
};

}  // namespace oomscope
