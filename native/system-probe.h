// The state of the machine at the moment of an event: load, memory pressure, and memory; and for a kill at the limit of a
// cgroup also what the memory of this cgroup consists of.
#pragma once

#include <napi.h>

#include <memory>
#include <mutex>
#include <string>

#include "composition.h"
#include "kill-place.h"

namespace oomscope {

struct ProbeOptions {
  std::string proc;
  std::string mount;     // of the cgroups with the memory controller; empty: no composition is read
  uint32_t version = 2;  // of these cgroups
  KillLayout layout{};
};

class SystemState {
 public:
  // The order of the values, as in src/linux/system-probe.ts. A value that is unknown is NaN.
  static constexpr size_t kReadAt = 0;    // CLOCK_MONOTONIC in ns, after the files were read
  static constexpr size_t kLoad = 1;      // 3 averages
  static constexpr size_t kSome = 4;      // 3 averages in percent, and the total in us
  static constexpr size_t kFull = 8;      // the same
  static constexpr size_t kMeminfo = 12;  // 8 sizes in bytes; all are unknown if the file cannot be read
  static constexpr size_t kEvent = 20;    // CLOCK_MONOTONIC of the event for which the values were read
  static constexpr size_t kLooked = 21;   // 1: the composition was read, or could not be; 0: nobody looked for it
  static constexpr size_t kComposition = 22;
  static constexpr size_t kValues = kComposition + kCompositionValues;

  explicit SystemState(const ProbeOptions& options);
  ~SystemState();

  // Sets `place` if the record is that of a kill.
  void Find(const uint8_t* record, size_t size, KillPlace& place) const {
    FindPlace(options_.layout, options_.mount, record, size, place);
  }
  // A batch is handed over, with this kill, or with none.
  void Begin(const KillPlace& place);
  // A poller thread takes the lock before it hands the batch over, and then calls ReadAhead(). So JavaScript, which starts
  // meanwhile on another CPU, waits in TakeKill() until the files have been read. If the lock is not free, JavaScript reads
  // them.
  std::unique_lock<std::mutex> TryLock() { return std::unique_lock<std::mutex>(mutex_, std::try_to_lock); }
  // Reads the values for a kill, also for that of the next batch, unless those for the kill of the current batch have not been
  // taken. Without a kill it reads the same files, of the last cgroup of a rehearsal, and forgets the values: when a kill is
  // imminent, the kernel's code for these files comes into the CPU's caches.
  void ReadAhead(const KillPlace& place);
  // Gives the values for the kill of the current batch, which it reads if nobody has. Returns false if this event is another.
  bool TakeKill(uint64_t event, double* values);
  // Gives the same values, if they have been read. Never waits.
  bool OfferKill(double* values);
  // Gives the state of the machine now, without a composition.
  void TakeNow(double* values);
  // Closes the files. Idempotent.
  void Close();

 private:
  void ReadFor(const KillPlace& place);
  void WarmUp();
  void ReadMachine(double* values);

  const ProbeOptions options_;
  std::mutex place_mutex_;  // guards the next two; held as long as a memcpy takes
  KillPlace place_;
  KillPlace rehearsed_;
  std::mutex mutex_;  // guards the members below; held while files are read
  int pressure_;
  int meminfo_;
  int load_;
  double values_[kValues];
  uint64_t read_for_ = 0;  // the kill for which values_ were read, by its time; 0: none
  bool taken_ = true;      // JavaScript has these values
  bool closed_ = false;
};

class SystemProbe : public Napi::ObjectWrap<SystemProbe> {
 public:
  static Napi::Function Define(Napi::Env env);
  explicit SystemProbe(const Napi::CallbackInfo& info);
  ~SystemProbe() override;
  // null: there is no probe with this id, or it was closed.
  static std::shared_ptr<SystemState> Find(uint32_t id);

 private:
  Napi::Value Id(const Napi::CallbackInfo& info);
  Napi::Value ReadKill(const Napi::CallbackInfo& info);
  Napi::Value Read(const Napi::CallbackInfo& info);
  Napi::Value Close(const Napi::CallbackInfo& info);
  void Forget();

  std::shared_ptr<SystemState> state_;
  uint32_t id_ = 0;
};

}  // namespace oomscope
