#include "ring.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>

#include "arguments.h"
#include "no-thread.h"
#include "record.h"

namespace oomscope {
namespace {

constexpr size_t kMaxRecord = 65536;       // record_header.size has 16 bits
constexpr uint32_t kMaxBatch = 256 << 20;  // both batches are allocated at once
constexpr uint64_t kRingEvent = 1;
constexpr uint64_t kWakeEvent = 2;

size_t Aligned(size_t size) { return (size + 7) & ~size_t{7}; }

// There are two poller threads, which never run on the same CPU. The task that prints the kernel's OOM report is not
// preempted, so a poller that is woken on its CPU waits for the whole report (milliseconds). The other poller does not.
std::vector<cpu_set_t> PollerCpus() {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  if (sched_getaffinity(0, sizeof(allowed), &allowed) != 0 || CPU_COUNT(&allowed) < 2) return {allowed};
  std::vector<cpu_set_t> halves(2);
  for (auto& half : halves) CPU_ZERO(&half);
  size_t next = 0;
  for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
    if (CPU_ISSET(cpu, &allowed)) CPU_SET(cpu, &halves[next++ % 2]);
  return halves;
}

}  // namespace

Napi::Function RingReader::Define(Napi::Env env) {
  return DefineClass(
      env, "RingReader",
      {InstanceMethod<&RingReader::Close>("close"), InstanceMethod<&RingReader::Counters>("counters"),
       InstanceMethod<&RingReader::Stats>("stats"),
       InstanceMethod<&RingReader::OfArmed<&ArmedTargets::Arm>>("arm"),
       InstanceMethod<&RingReader::OfArmed<&ArmedTargets::Refresh>>("refresh"),
       InstanceMethod<&RingReader::OfArmed<&ArmedTargets::Disarm>>("disarm"),
       InstanceMethod<&RingReader::OfArmed<&ArmedTargets::TakeSignalled>>("takeSignalled")});
}

// new RingReader({ mapFd, countersFd, batchBytes, owned, urgentKinds, probe: { id, values } }, onBatch)
RingReader::RingReader(const Napi::CallbackInfo& info) : Napi::ObjectWrap<RingReader>(info) {
  libbpf_ = NeedLibbpf(info.Env());
  if (libbpf_ == nullptr) return;
  Arguments arguments(info, "RingReader");
  Arguments o = arguments.Object("options");
  RingOptions options{};
  options.map_fd = o.Int("mapFd");
  options.counters_fd = o.Int("countersFd");
  options.batch_bytes = std::max<size_t>(2 * kMaxRecord, o.Unsigned("batchBytes", 0, kMaxBatch));
  Arguments owned = o.OptionalObject("owned");
  if (!owned.is_missing()) {
    options.object = reinterpret_cast<bpf_object*>(owned.BigInt("object"));
    Arguments links = owned.Array("links");
    for (uint32_t i = 0; i < links.length(); i++)
      options.links.push_back(reinterpret_cast<bpf_link*>(links.BigInt("")));
  }
  Arguments kinds = o.Array("urgentKinds");
  for (uint32_t i = 0; i < kinds.length(); i++)
    options.urgent_kinds.push_back(static_cast<uint16_t>(kinds.Unsigned("", 0, UINT16_MAX)));
  Arguments probe = o.OptionalObject("probe");
  if (!probe.is_missing()) {
    options.system = SystemProbe::Find(probe.Unsigned("id"));
    Bytes values = probe.Uint8Array("values");
    if (!arguments.good() || !Fits(info, "RingReader", "values", values, SystemState::kValues * sizeof(double))) return;
  }
  Napi::Function on_batch = arguments.Function("onBatch");
  if (!arguments.good()) return;
  if (options.system != nullptr) {
    Napi::Value again = info[0].As<Napi::Object>().Get("probe");
    again = again.IsObject() ? again.As<Napi::Object>().Get("values") : again;
    if (!again.IsTypedArray()) return;  // a getter has thrown, or gives another value each time
    values_ = Napi::Persistent(again.As<Napi::Object>());
  }
  Open(options, info.Env(), on_batch);
}

bool RingReader::Open(const RingOptions& options, Napi::Env env, Napi::Function on_batch) {
  options_ = options;
  options_.map_fd = fcntl(options.map_fd, F_DUPFD_CLOEXEC, 3);
  options_.counters_fd = options.counters_fd < 0 ? -1 : fcntl(options.counters_fd, F_DUPFD_CLOEXEC, 3);
  ring_ = options_.map_fd < 0 ? nullptr : libbpf_->ring_buffer_new(options_.map_fd, OnRecord, this, nullptr);
  if (ring_ == nullptr) {
    std::string why = std::strerror(errno);
    Stop();
    Napi::Error::New(env, "RingReader: the ring buffer cannot be mapped: " + why).ThrowAsJavaScriptException();
    return false;
  }
  bpf_map_info counters{};
  uint32_t length = sizeof(counters);
  if (options_.counters_fd >= 0 && libbpf_->bpf_obj_get_info_by_fd(options_.counters_fd, &counters, &length) == 0) {
    counter_words_ = (counters.value_size + 7) / 8;
    counter_cpus_ = static_cast<size_t>(std::max(libbpf_->libbpf_num_possible_cpus(), 1));
  }
  filling_.bytes.resize(options.batch_bytes);
  out_.bytes.resize(options.batch_bytes);
  env_ = env;
  js_tid_ = static_cast<int>(syscall(SYS_gettid));
  self_ = Napi::Persistent(Value());
  on_batch_ = Napi::Persistent(on_batch);
  wake_ = Wake::New(env, on_batch, "oomscope ring", 0, 1, this);
  // Hooks run in reverse order: the threads are joined before the thread-safe function is finalized.
  napi_add_env_cleanup_hook(env, OnEnvironmentExit, this);

  std::vector<cpu_set_t> cpus = PollerCpus();
  for (size_t i = 0; i < cpus.size(); i++) wake_fds_.push_back(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  try {
    for (size_t i = 0; i < cpus.size(); i++) pollers_.emplace_back(&RingReader::Poll, this, i, cpus[i]);
  } catch (const std::system_error& error) {  // the cgroup allows no more tasks
    bool had_poller = !pollers_.empty();
    Stop();
    if (!had_poller) wake_.Abort();
    ThrowNoThread(env, "RingReader", error);
    return false;
  }
  return true;
}

RingReader::~RingReader() { Stop(); }

void RingReader::OnEnvironmentExit(void* self) {
  auto* reader = static_cast<RingReader*>(self);
  reader->env_ = nullptr;  // the environment is ending: Stop() must not remove this hook, and no JavaScript may run
  reader->Stop();
  // JavaScript did not close the reader, so it has not freed the links and the object. When a process exits the
  // kernel detaches its programs, but the programs of a worker would stay attached until then.
  for (bpf_link* link : reader->options_.links) reader->libbpf_->bpf_link_destroy(link);
  if (reader->options_.object != nullptr) reader->libbpf_->bpf_object_close(reader->options_.object);
}

// Joins the threads. Idempotent. Only the JavaScript thread may call it.
void RingReader::Stop() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    closed_ = true;
    RestoreCpus();
  }
  for (int fd : wake_fds_) eventfd_write(fd, 1);
  for (auto& poller : pollers_) poller.join();
  bool was_open = !pollers_.empty();
  pollers_.clear();
  for (int fd : wake_fds_) close(fd);
  wake_fds_.clear();
  if (ring_ != nullptr) libbpf_->ring_buffer_free(ring_);
  ring_ = nullptr;
  if (options_.map_fd >= 0) close(options_.map_fd);
  if (options_.counters_fd >= 0) close(options_.counters_fd);
  options_.map_fd = options_.counters_fd = -1;
  filling_.bytes = {};  // frees both batches (256 KiB) now, not when this object is garbage collected
  out_.bytes = {};
  if (was_open) wake_.Abort();
  if (env_ != nullptr) {
    napi_remove_env_cleanup_hook(env_, OnEnvironmentExit, this);
    env_ = nullptr;
    self_.Unref();
    on_batch_.Reset();
    values_.Reset();
  } else {
    self_.SuppressDestruct();
    on_batch_.SuppressDestruct();
    values_.SuppressDestruct();
  }
}

// ---- the poller threads ----

void RingReader::Poll(size_t index, cpu_set_t cpus) {
  pthread_setname_np(pthread_self(), index == 0 ? "oomscope-poll-0" : "oomscope-poll-1");
  sched_setaffinity(0, sizeof(cpus), &cpus);
  // The poller runs for some microseconds at a time, after a kill for 0.2 ms, before all normal tasks of its CPU. Without
  // CAP_SYS_NICE or a limit of real-time priority (RLIMIT_RTPRIO) it stays at normal priority; stats() says so.
  RealtimeShare& share = shares_[index];
  if (share.Enter(SCHED_FIFO, 2, kPollerLimit) != 0) share.Enter(SCHED_FIFO, 1, kPollerLimit);

  int wake_fd = wake_fds_[index];
  int epoll = epoll_create1(EPOLL_CLOEXEC);
  epoll_event ring_event{};
  ring_event.events = EPOLLIN;
  ring_event.data.u64 = kRingEvent;
  epoll_event wake_event{};
  wake_event.events = EPOLLIN;
  wake_event.data.u64 = kWakeEvent;
  epoll_ctl(epoll, EPOLL_CTL_ADD, wake_fd, &wake_event);
  bool watching = false;
  bool waited_for_priority = false;
  constexpr int kPeriodMs = kPollerLimit.period_ns / 1'000'000 + 1;

  for (;;) {
    bool want;
    {
      std::lock_guard<std::mutex> lock(mutex_);
      if (closed_) break;
      want = !full_;
    }
    if (want != watching) {
      epoll_ctl(epoll, want ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, options_.map_fd, &ring_event);
      watching = want;
    }
    epoll_event ready[2];
    // Real-time priority comes back in time for the next record. One whole period is enough: it may be refused for ever, see Begin().
    bool lowered = share.is_lowered();
    int count = epoll_wait(epoll, ready, 2, lowered && !waited_for_priority ? kPeriodMs : -1);
    waited_for_priority = lowered && (waited_for_priority || count == 0);
    share.Begin();
    for (int i = 0; i < count; i++) {
      if (ready[i].data.u64 == kWakeEvent) {
        eventfd_t ignored;
        eventfd_read(wake_fd, &ignored);
      } else {
        Drain();
      }
    }
    {
      std::unique_lock<std::mutex> lock(mutex_);
      if (armed_.has_dying()) armed_.ReleaseDying(lock, share);
    }
    share.End();
  }
  close(epoll);
}

void RingReader::Drain() {
  bool deliver, wanted;
  KillPlace place;
  {
    std::unique_lock<std::mutex> lock(mutex_);
    Fill();
    // Also while JavaScript has another batch: it may wait for the CPU that is busy in the OOM killer.
    if (filling_.urgent_cpu >= 0 && !closed_) AvoidCpu(filling_.urgent_cpu);
    deliver = credit_ && filling_.used > 0 && !closed_;
    if (deliver) TakeOut();
    const Batch& batch = deliver ? out_ : filling_;
    wanted = options_.system != nullptr && (deliver ? batch.urgent_cpu >= 0 : batch.place.ktime_ns != 0 && !closed_);
    if (wanted) place = batch.place;
  }
  // JavaScript waits for the values of the probe while they are being read.
  std::unique_lock<std::mutex> reading;
  if (wanted) reading = options_.system->TryLock();
  // called without the lock of the ring, because JavaScript may start at once and need it
  if (deliver) wake_.NonBlockingCall();
  if (reading.owns_lock()) options_.system->ReadAhead(place);
}

// Reads as many records as filling_ has room for. Returns whether a record waits for delivery. The caller holds mutex_.
bool RingReader::Fill() {
  if (closed_) return false;
  if (!full_) libbpf_->ring_buffer_consume(ring_);
  return filling_.used > 0;
}

// Makes the filled batch the one that is being delivered, which uses up the credit. The caller holds mutex_.
void RingReader::TakeOut() {
  std::swap(filling_, out_);
  filling_.used = 0;
  filling_.urgent_cpu = -1;
  filling_.place = KillPlace();
  full_ = false;
  credit_ = false;
  batches_++;
  if (options_.system != nullptr) options_.system->Begin(out_.place);
}

// Called by ring_buffer__consume() for each record, with mutex_ held. A negative result stops it after this record.
int RingReader::OnRecord(void* self, void* data, size_t size) {
  auto* reader = static_cast<RingReader*>(self);
  reader->armed_.OnRecord(static_cast<const uint8_t*>(data), size);
  Batch& batch = reader->filling_;
  if (batch.used == 0) batch.received_ns = Now(CLOCK_MONOTONIC);
  std::memcpy(batch.bytes.data() + batch.used, data, size);
  batch.used += Aligned(size);
  if (size >= sizeof(RecordHeader)) {
    RecordHeader header;
    std::memcpy(&header, data, sizeof(header));
    const auto& urgent = reader->options_.urgent_kinds;
    if (std::find(urgent.begin(), urgent.end(), header.kind) != urgent.end())
      batch.urgent_cpu = static_cast<int>(header.cpu);
  }
  if (reader->options_.system != nullptr)
    reader->options_.system->Find(static_cast<const uint8_t*>(data), size, batch.place);
  if (batch.used + kMaxRecord <= batch.bytes.size()) return 0;
  reader->full_ = true;
  reader->full_times_++;
  return -EAGAIN;
}

// Keeps the JavaScript thread off a CPU until it has the batch. The CPU that wrote an urgent record is busy in the
// kernel's OOM killer. The scheduler would often wake the JavaScript thread on that CPU, where it would have to wait.
void RingReader::AvoidCpu(int cpu) {
  cpu_set_t cpus;
  if (avoided_cpu_ >= 0 || sched_getaffinity(js_tid_, sizeof(cpus), &cpus) != 0) return;
  if (cpu >= CPU_SETSIZE || !CPU_ISSET(cpu, &cpus) || CPU_COUNT(&cpus) < 2) return;
  CPU_CLR(cpu, &cpus);
  if (sched_setaffinity(js_tid_, sizeof(cpus), &cpus) == 0) avoided_cpu_ = cpu;
}

void RingReader::RestoreCpus() {
  cpu_set_t cpus;
  if (avoided_cpu_ >= 0 && sched_getaffinity(js_tid_, sizeof(cpus), &cpus) == 0) {
    CPU_SET(avoided_cpu_, &cpus);
    sched_setaffinity(js_tid_, sizeof(cpus), &cpus);
  }
  avoided_cpu_ = -1;
}

// ---- the JavaScript thread ----

void RingReader::OnThreadSafeCall(Napi::Env env, Napi::Function on_batch, RingReader* self, void*) {
  if (env != nullptr && self != nullptr) self->Deliver(env, on_batch);
}

// Delivers several batches in a row. Their number is limited, because the event loop also has other work.
void RingReader::Deliver(napi_env env, napi_value on_batch) {
  constexpr int kInARow = 4;
  Napi::HandleScope scope(env);
  Napi::Value self = self_.Value();  // onBatch may close the reader, which must live until this call returns
  RealtimeShare& share = JavaScriptShare();
  share.Begin();
  for (int i = 0; i < kInARow; i++) {
    {
      std::lock_guard<std::mutex> lock(mutex_);
      RestoreCpus();
      if (closed_) return;
    }
    CallJavaScript(env, self, on_batch);
    share.End();

    std::lock_guard<std::mutex> lock(mutex_);
    credit_ = true;
    if (closed_) return;
    bool was_full = full_;
    bool more = Fill();
    if (more) TakeOut();
    if (was_full || armed_.has_dying())
      for (int fd : wake_fds_) eventfd_write(fd, 1);
    if (!more) return;
  }
  wake_.NonBlockingCall();
}

// Writes the values of the probe where JavaScript looks for them, if a poller has read them for the kill of this batch.
// Otherwise JavaScript asks the probe for them.
void RingReader::OfferValues(napi_env env) {
  if (options_.system == nullptr || out_.place.ktime_ns == 0 || values_.IsEmpty()) return;
  napi_typedarray_type type = napi_float64_array;
  size_t length = 0;
  void* data = nullptr;
  if (napi_get_typedarray_info(env, values_.Value(), &type, &length, &data, nullptr, nullptr) != napi_ok) return;
  double values[SystemState::kValues];
  if (data != nullptr && length == sizeof(values) && options_.system->OfferKill(values))
    std::memcpy(data, values, sizeof(values));
}

// Until the credit is back, only this thread uses out_. The batch is copied once, into memory that JavaScript owns. The
// code uses plain N-API, because in a terminating worker these calls fail, and node-addon-api would turn the failure
// into a fatal error of the whole process.
void RingReader::CallJavaScript(napi_env env, napi_value self, napi_value on_batch) {
  void* data = nullptr;
  napi_value arguments[3], result;
  uint64_t offset = Now(CLOCK_REALTIME) - Now(CLOCK_MONOTONIC);
  OfferValues(env);
  if (napi_create_arraybuffer(env, out_.used, &data, &arguments[0]) == napi_ok && data != nullptr) {
    std::memcpy(data, out_.bytes.data(), out_.used);
    if (napi_create_bigint_uint64(env, out_.received_ns, &arguments[1]) == napi_ok &&
        napi_create_bigint_uint64(env, offset, &arguments[2]) == napi_ok)
      napi_call_function(env, self, on_batch, 3, arguments, &result);
  }
  // If a thread-safe call throws, Node only warns (DEP0168). napi_fatal_exception() makes it an uncaught exception.
  bool thrown = false;
  napi_value error;
  if (napi_is_exception_pending(env, &thrown) == napi_ok && thrown &&
      napi_get_and_clear_last_exception(env, &error) == napi_ok)
    napi_fatal_exception(env, error);
}

Napi::Value RingReader::Close(const Napi::CallbackInfo& info) {
  // The records in the ring are still delivered, unless JavaScript is in the middle of a batch.
  for (bool more = true; more;) {
    {
      std::lock_guard<std::mutex> lock(mutex_);
      more = credit_ && Fill();
      if (more) TakeOut();
    }
    if (!more) break;
    CallJavaScript(info.Env(), Value(), on_batch_.Value());
    std::lock_guard<std::mutex> lock(mutex_);
    credit_ = true;
  }
  Stop();
  return info.Env().Undefined();
}

// counters() -> the 64-bit words of struct counters (bpf/events.h), each summed over all CPUs
Napi::Value RingReader::Counters(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Napi::Array out = Napi::Array::New(env);
  if (counter_words_ == 0 || options_.counters_fd < 0) return out;
  std::vector<uint64_t> values(counter_words_ * counter_cpus_);
  uint32_t key = 0;
  if (libbpf_->bpf_map_lookup_elem(options_.counters_fd, &key, values.data()) != 0) return out;
  for (size_t word = 0; word < counter_words_; word++) {
    uint64_t sum = 0;
    for (size_t i = word; i < values.size(); i += counter_words_) sum += values[i];
    out.Set(static_cast<uint32_t>(word), Napi::Number::New(env, static_cast<double>(sum)));
  }
  return out;
}

Napi::Value RingReader::Stats(const Napi::CallbackInfo& info) {
  std::lock_guard<std::mutex> lock(mutex_);
  Napi::Object out = Napi::Object::New(info.Env());
  out.Set("batches", Napi::Number::New(info.Env(), static_cast<double>(batches_)));
  out.Set("fullTimes", Napi::Number::New(info.Env(), static_cast<double>(full_times_)));
  double realtime = 0, lowered = 0, longest = 0;
  for (const RealtimeShare& share : shares_) {
    realtime += share.is_realtime() ? 1 : 0;
    lowered += static_cast<double>(share.times_lowered());
    longest = std::max(longest, static_cast<double>(share.longest_ns()));
  }
  out.Set("realtimePollers", Napi::Number::New(info.Env(), realtime));
  out.Set("timesLowered", Napi::Number::New(info.Env(), lowered));
  out.Set("longestNs", Napi::Number::New(info.Env(), longest));
  return out;
}

}  // namespace oomscope
