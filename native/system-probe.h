// The state of the machine at the moment of an event: load, memory pressure, and memory.
#pragma once

#include <napi.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <string>

namespace oomscope {

class SystemState {
 public:
  // The order of the values, as in src/linux/system-probe.ts. A value that is unknown is NaN.
  static constexpr size_t kReadAt = 0;    // CLOCK_MONOTONIC in ns, after the files were read
  static constexpr size_t kLoad = 1;      // 3 averages
  static constexpr size_t kSome = 4;      // 3 averages in percent, and the total in us
  static constexpr size_t kFull = 8;      // the same
  static constexpr size_t kMeminfo = 12;  // 8 sizes in bytes; all are unknown if the file cannot be read
  static constexpr size_t kValues = 20;

  explicit SystemState(const std::string& proc);
  ~SystemState();

  // For the poller threads: a batch begins, whose state is not that of the last one. Needs no lock.
  void NewBatch() { batch_++; }
  // A poller thread takes the lock before it hands the batch over, and then calls Read(). So JavaScript, which starts
  // meanwhile on another CPU, waits in Take() until the files have been read.
  std::unique_lock<std::mutex> Lock() { return std::unique_lock<std::mutex>(mutex_); }
  void Read();
  // Gives the state that was read for the current batch, once. Otherwise it reads the files now.
  void Take(double* values);
  // Closes the files. Idempotent.
  void Close();

 private:
  std::mutex mutex_;  // guards the members below
  int pressure_;
  int meminfo_;
  int load_;
  double values_[kValues];
  uint64_t read_for_ = 0;  // the batch for which values_ were read; 0: none, or they were taken
  std::atomic<uint64_t> batch_{1};
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
  Napi::Value Read(const Napi::CallbackInfo& info);
  Napi::Value Close(const Napi::CallbackInfo& info);
  void Forget();

  std::shared_ptr<SystemState> state_;
  uint32_t id_ = 0;
};

}  // namespace oomscope
