// Reads one BPF ring buffer on threads of its own (pollers) and delivers the records to JavaScript in batches.
//
// At most one batch at a time is being delivered to JavaScript. Delivering it uses up the "credit", which comes back
// when JavaScript has processed the batch. Meanwhile the pollers fill the next batch. When this one is full, too, they
// stop reading, and records stay in the kernel's ring. The reader never drops a record. Records are lost only while the
// ring is full, and the BPF program counts them.
#pragma once

#include <napi.h>

#include <sched.h>

#include <array>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

#include "armed.h"
#include "libbpf.h"
#include "realtime.h"
#include "system-probe.h"

namespace oomscope {

struct RingOptions {
  int map_fd;
  int counters_fd;  // per-CPU array with one element; -1: there is none
  size_t batch_bytes;
  bpf_object* object;  // like `links`, freed when the environment ends, unless close() was called before
  std::vector<bpf_link*> links;
  // when a record of these kinds arrives, the JavaScript thread must avoid the CPU that wrote it
  std::vector<uint16_t> urgent_kinds; 
  // read when such a record arrives, if it is not null
  std::shared_ptr<SystemState> system;
};

struct Batch {
  std::vector<uint8_t> bytes;
  size_t used = 0;
  uint64_t received_ns = 0;  // CLOCK_MONOTONIC when the first record was taken from the ring
  int urgent_cpu = -1;       // the CPU that wrote the last urgent record
  KillPlace place;           // of the first kill, if there is a probe
};

class RingReader : public Napi::ObjectWrap<RingReader> {
 public:
  static Napi::Function Define(Napi::Env env);
  explicit RingReader(const Napi::CallbackInfo& info);
  ~RingReader() override;

 private:
  Napi::Value Close(const Napi::CallbackInfo& info);
  Napi::Value Counters(const Napi::CallbackInfo& info);
  Napi::Value Stats(const Napi::CallbackInfo& info);
  template <Napi::Value (ArmedTargets::*method)(const Napi::CallbackInfo&, std::mutex&)>
  Napi::Value OfArmed(const Napi::CallbackInfo& info) {
    return (armed_.*method)(info, mutex_);
  }

  bool Open(const RingOptions& options, Napi::Env env, Napi::Function on_batch);
  void Stop();
  void Poll(size_t index, cpu_set_t cpus);
  void Drain();
  bool Fill();
  void TakeOut();
  void AvoidCpu(int cpu);
  void RestoreCpus();
  void Deliver(napi_env env, napi_value on_batch);
  void OfferValues(napi_env env);
  void CallJavaScript(napi_env env, napi_value self, napi_value on_batch);
  static int OnRecord(void* self, void* data, size_t size);
  static void OnThreadSafeCall(Napi::Env env, Napi::Function on_batch, RingReader* self, void*);
  static void OnEnvironmentExit(void* self);

  using Wake = Napi::TypedThreadSafeFunction<RingReader, void, OnThreadSafeCall>;

  napi_env env_ = nullptr;
  Wake wake_;
  RingOptions options_{-1, -1, 0, nullptr, {}, {}, nullptr};
  const Libbpf* libbpf_ = nullptr;
  ring_buffer* ring_ = nullptr;
  size_t counter_words_ = 0;  // 64-bit words of struct counters, which each of counter_cpus_ has
  size_t counter_cpus_ = 0;
  std::vector<std::thread> pollers_;
  std::array<RealtimeShare, 2> shares_;  // of the pollers
  std::vector<int> wake_fds_;  // one eventfd for each poller, to wake it when it must stop or the credit is back
  Napi::ObjectReference self_;
  Napi::FunctionReference on_batch_;
  Napi::ObjectReference values_;  // a Uint8Array in which JavaScript looks for the values of the probe

  std::mutex mutex_;  // guards the members below; held as long as a memcpy takes
  ArmedTargets armed_;
  Batch filling_;
  Batch out_;
  bool credit_ = true;  // no batch is being delivered
  bool full_ = false;   // filling_ has no room: the pollers do not read the ring until the credit is back
  bool closed_ = false;
  uint64_t batches_ = 0;
  uint64_t full_times_ = 0;

  int js_tid_ = 0;
  int avoided_cpu_ = -1;  // a CPU on which the JavaScript thread must not run until it has its batch
};

}  // namespace oomscope
