#include "system-probe.h"

#include <algorithm>
#include <map>
#include <utility>

#include "arguments.h"
#include "figures.h"
#include "record.h"

namespace oomscope {
namespace {

constexpr size_t kRoom = 4096;  // /proc/meminfo has 1.6 KB
constexpr double kKib = 1024;

int OpenFile(const std::string& path) { return open(path.c_str(), O_RDONLY | O_CLOEXEC); }

// The line "some avg10=0.00 avg60=0.00 avg300=0.00 total=0" or the same with "full".
void ReadPressure(const char* text, const char* line, double* values) {
  static constexpr const char* kNames[] = {"avg10=", "avg60=", "avg300=", "total="};
  const char* at = AfterName(text, line);
  for (size_t i = 0; i < 4; i++) {
    at = at == nullptr ? nullptr : strstr(at, kNames[i]);
    values[i] = NumberAt(at == nullptr ? nullptr : at + strlen(kNames[i]));
  }
}

std::mutex probes_mutex;
std::map<uint32_t, std::weak_ptr<SystemState>> probes;  // guarded by probes_mutex, like last_id
uint32_t last_id = 0;

}  // namespace

SystemState::SystemState(const ProbeOptions& options)
    : options_(options),
      pressure_(OpenFile(options.proc + "/pressure/memory")),
      meminfo_(OpenFile(options.proc + "/meminfo")),
      load_(OpenFile(options.proc + "/loadavg")) {
  std::fill(values_, values_ + kValues, kUnknown);
}

SystemState::~SystemState() { Close(); }

void SystemState::Close() {
  std::lock_guard<std::mutex> lock(mutex_);
  for (int* fd : {&pressure_, &meminfo_, &load_}) {
    if (*fd >= 0) close(*fd);
    *fd = -1;
  }
  closed_ = true;
}

void SystemState::Begin(const KillPlace& place) {
  std::lock_guard<std::mutex> lock(place_mutex_);
  place_ = place;
  if (place.invented) rehearsed_ = place;
}

// The caller holds mutex_. The composition comes first, because the victim is freeing its memory.
void SystemState::ReadFor(const KillPlace& place) {
  bool look = place.path[0] != '\0' && !closed_;
  values_[kLooked] = look ? 1 : 0;
  if (look && !ReadComposition(place.path, place.id, options_.version, values_ + kComposition))
    values_[kComposition] = kUnknown;
  ReadMachine(values_);
  values_[kEvent] = static_cast<double>(place.ktime_ns);
  read_for_ = place.ktime_ns;
  taken_ = false;
}

// The caller holds mutex_.
void SystemState::ReadAhead(const KillPlace& place) {
  if (place.ktime_ns == 0) return WarmUp();
  uint64_t current;
  {
    std::lock_guard<std::mutex> lock(place_mutex_);
    current = place_.ktime_ns;
  }
  bool waits = read_for_ == current && !taken_;
  if (read_for_ != place.ktime_ns && !waits) ReadFor(place);
}

// The caller holds mutex_.
void SystemState::WarmUp() {
  KillPlace rehearsed;
  {
    std::lock_guard<std::mutex> lock(place_mutex_);
    rehearsed = rehearsed_;
  }
  double ignored[kValues];
  if (rehearsed.path[0] != '\0' && !closed_)
    ReadComposition(rehearsed.path, rehearsed.id, options_.version, ignored + kComposition);
  ReadMachine(ignored);
}

// The caller holds mutex_.
void SystemState::ReadMachine(double* values) {
  // In the order of the file, so that each search begins where the last one has ended.
  static constexpr const char* kSizes[] = {"MemTotal:", "MemFree:",   "MemAvailable:", "SwapTotal:",
                                           "SwapFree:", "AnonPages:", "Shmem:",        "SUnreclaim:"};
  char text[kRoom];
  std::fill(values, values + kEvent, kUnknown);
  if (ReadText(load_, text, sizeof(text))) {
    const char* at = text;
    for (size_t i = 0; i < 3 && at != nullptr; i++) {
      values[kLoad + i] = NumberAt(at);
      at = strchr(at, ' ');
      if (at != nullptr) at++;
    }
  }
  if (ReadText(pressure_, text, sizeof(text))) {
    ReadPressure(text, "some", values + kSome);
    ReadPressure(text, "full", values + kFull);
  }
  if (ReadText(meminfo_, text, sizeof(text))) {
    const char* from = text;
    for (size_t i = 0; i < 8; i++) {
      const char* at = AfterName(from, kSizes[i]);
      if (at == nullptr) at = AfterName(text, kSizes[i]);
      double size = NumberAt(at);
      values[kMeminfo + i] = std::isnan(size) ? 0 : size * kKib;
      const char* next = at == nullptr ? nullptr : strchr(at, '\n');
      if (next != nullptr) from = next + 1;
    }
  }
  values[kReadAt] = static_cast<double>(Now(CLOCK_MONOTONIC));
}

bool SystemState::TakeKill(uint64_t event, double* values) {
  KillPlace place;
  {
    std::lock_guard<std::mutex> lock(place_mutex_);
    if (place_.ktime_ns == 0 || place_.ktime_ns != event) return false;
    place = place_;
  }
  std::lock_guard<std::mutex> lock(mutex_);
  if (read_for_ != place.ktime_ns) ReadFor(place);
  std::copy(values_, values_ + kValues, values);
  taken_ = true;
  return true;
}

bool SystemState::OfferKill(double* values) {
  std::unique_lock<std::mutex> reading = TryLock();
  if (!reading.owns_lock() || read_for_ == 0) return false;
  std::lock_guard<std::mutex> lock(place_mutex_);
  if (read_for_ != place_.ktime_ns) return false;
  std::copy(values_, values_ + kValues, values);
  taken_ = true;
  return true;
}

void SystemState::TakeNow(double* values) {
  std::lock_guard<std::mutex> lock(mutex_);
  ReadMachine(values);
  values[kLooked] = 0;
}

Napi::Function SystemProbe::Define(Napi::Env env) {
  return DefineClass(env, "SystemProbe",
                     {InstanceMethod<&SystemProbe::Id>("id"), InstanceMethod<&SystemProbe::ReadKill>("readKill"),
                      InstanceMethod<&SystemProbe::Read>("read"),
                      InstanceMethod<&SystemProbe::Close>("close")});
}

// new SystemProbe({ proc, cgroups: { mount, version }, layout })
SystemProbe::SystemProbe(const Napi::CallbackInfo& info) : Napi::ObjectWrap<SystemProbe>(info) {
  Arguments arguments(info, "SystemProbe");
  Arguments o = arguments.Object("options");
  ProbeOptions options;
  options.proc = o.Path("proc");
  Arguments cgroups = o.OptionalObject("cgroups");
  if (!cgroups.is_missing()) {
    options.mount = cgroups.Path("mount");
    options.version = cgroups.Unsigned("version", 1, 2);
  }
  Arguments layout = o.OptionalObject("layout");
  if (!layout.is_missing()) {
    KillLayout& to = options.layout;
    const std::pair<const char*, uint32_t*> fields[] = {
        {"killKind", &to.kill_kind},         {"rehearsalKind", &to.rehearsal_kind}, {"rehearsed", &to.rehearsed},
        {"facts", &to.facts},                {"needed", &to.needed},                {"refused", &to.refused},
        {"limit", &to.limit},                {"levelsLength", &to.levels_length},   {"levels", &to.levels},
        {"levelSize", &to.level_size},       {"levelId", &to.level_id},             {"levelNameLength", &to.level_name_length}};
    for (const auto& [name, field] : fields) *field = layout.Unsigned(name);
  }
  if (!arguments.good()) return;
  state_ = std::make_shared<SystemState>(options);
  std::lock_guard<std::mutex> lock(probes_mutex);
  id_ = ++last_id;
  probes[id_] = state_;
}

SystemProbe::~SystemProbe() { Forget(); }

std::shared_ptr<SystemState> SystemProbe::Find(uint32_t id) {
  std::lock_guard<std::mutex> lock(probes_mutex);
  auto found = probes.find(id);
  return found == probes.end() ? nullptr : found->second.lock();
}

void SystemProbe::Forget() {
  std::lock_guard<std::mutex> lock(probes_mutex);
  probes.erase(id_);
}

// id() -> the number by which a RingReader finds this probe
Napi::Value SystemProbe::Id(const Napi::CallbackInfo& info) { return Napi::Number::New(info.Env(), id_); }

// readKill(event, into) -> whether the event is the kill of the current batch. Then its values are in `into`, as numbers of 64
// bits.
Napi::Value SystemProbe::ReadKill(const Napi::CallbackInfo& info) {
  Arguments arguments(info, "readKill");
  uint64_t event = arguments.BigInt("event");
  Bytes into = arguments.Uint8Array("into");
  if (!arguments.good()) return info.Env().Undefined();
  double values[SystemState::kValues];
  if (!Fits(info, "readKill", "into", into, sizeof(values))) return info.Env().Undefined();
  bool is_kill = state_ != nullptr && state_->TakeKill(event, values);
  if (is_kill) std::memcpy(into.data, values, sizeof(values));
  return Napi::Boolean::New(info.Env(), is_kill);
}

// read(into): writes the values of now, without a composition
Napi::Value SystemProbe::Read(const Napi::CallbackInfo& info) {
  Arguments arguments(info, "read");
  Bytes into = arguments.Uint8Array("into");
  if (!arguments.good()) return info.Env().Undefined();
  double values[SystemState::kValues];
  if (!Fits(info, "read", "into", into, sizeof(values))) return info.Env().Undefined();
  std::fill(values, values + SystemState::kValues, kUnknown);
  if (state_ != nullptr) state_->TakeNow(values);
  std::memcpy(into.data, values, sizeof(values));
  return info.Env().Undefined();
}

Napi::Value SystemProbe::Close(const Napi::CallbackInfo& info) {
  Forget();
  if (state_ != nullptr) state_->Close();
  return info.Env().Undefined();
}

}  // namespace oomscope
