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
}

void SystemState::Begin(const KillPlace& place) {
  std::lock_guard<std::mutex> lock(place_mutex_);
  place_ = place;
}

// The caller holds mutex_. The composition comes first, because the victim is freeing its memory.
void SystemState::Read(const KillPlace& place) {
  if (place.ktime_ns != 0 && place.ktime_ns == read_for_) return;
  values_[kLooked] = place.path[0] == '\0' ? 0 : 1;
  if (place.path[0] != '\0' && !ReadComposition(place.path, place.id, options_.version, values_ + kComposition))
    values_[kComposition] = kUnknown;
  ReadMachine();
  values_[kEvent] = static_cast<double>(place.ktime_ns);
  read_for_ = place.ktime_ns;
}

// The caller holds mutex_.
void SystemState::ReadMachine() {
  // In the order of the file, so that each search begins where the last one has ended.
  static constexpr const char* kSizes[] = {"MemTotal:", "MemFree:",   "MemAvailable:", "SwapTotal:",
                                           "SwapFree:", "AnonPages:", "Shmem:",        "SUnreclaim:"};
  char text[kRoom];
  std::fill(values_, values_ + kEvent, kUnknown);
  if (ReadText(load_, text, sizeof(text))) {
    const char* at = text;
    for (size_t i = 0; i < 3 && at != nullptr; i++) {
      values_[kLoad + i] = NumberAt(at);
      at = strchr(at, ' ');
      if (at != nullptr) at++;
    }
  }
  if (ReadText(pressure_, text, sizeof(text))) {
    ReadPressure(text, "some", values_ + kSome);
    ReadPressure(text, "full", values_ + kFull);
  }
  if (ReadText(meminfo_, text, sizeof(text))) {
    const char* from = text;
    for (size_t i = 0; i < 8; i++) {
      const char* at = AfterName(from, kSizes[i]);
      if (at == nullptr) at = AfterName(text, kSizes[i]);
      double size = NumberAt(at);
      values_[kMeminfo + i] = std::isnan(size) ? 0 : size * kKib;
      const char* next = at == nullptr ? nullptr : strchr(at, '\n');
      if (next != nullptr) from = next + 1;
    }
  }
  values_[kReadAt] = static_cast<double>(Now(CLOCK_MONOTONIC));
}

void SystemState::Take(uint64_t event, double* values) {
  KillPlace place;
  {
    std::lock_guard<std::mutex> lock(place_mutex_);
    if (place_.ktime_ns == event) place = place_;
  }
  std::lock_guard<std::mutex> lock(mutex_);
  Read(place);
  std::copy(values_, values_ + kValues, values);
  values[kEvent] = static_cast<double>(event);
}

bool SystemState::Offer(double* values) {
  std::unique_lock<std::mutex> reading(mutex_, std::try_to_lock);
  std::lock_guard<std::mutex> lock(place_mutex_);
  if (!reading.owns_lock() || read_for_ == 0 || read_for_ != place_.ktime_ns) return false;
  std::copy(values_, values_ + kValues, values);
  return true;
}

Napi::Function SystemProbe::Define(Napi::Env env) {
  return DefineClass(env, "SystemProbe",
                     {InstanceMethod<&SystemProbe::Id>("id"), InstanceMethod<&SystemProbe::Read>("read"),
                      InstanceMethod<&SystemProbe::Close>("close")});
}

// new SystemProbe({ proc, cgroups: { mount, version, layout } })
SystemProbe::SystemProbe(const Napi::CallbackInfo& info) : Napi::ObjectWrap<SystemProbe>(info) {
  Arguments arguments(info, "SystemProbe");
  Arguments o = arguments.Object("options");
  ProbeOptions options;
  options.proc = o.Path("proc");
  Arguments cgroups = o.OptionalObject("cgroups");
  if (!cgroups.is_missing()) {
    options.mount = cgroups.Path("mount");
    options.version = cgroups.Unsigned("version", 1, 2);
    Arguments layout = cgroups.Object("layout");
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

// read(event, into): writes the values as numbers of 64 bits into `into`, which has their size
Napi::Value SystemProbe::Read(const Napi::CallbackInfo& info) {
  Arguments arguments(info, "read");
  uint64_t event = arguments.BigInt("event");
  Bytes into = arguments.Uint8Array("into");
  if (!arguments.good()) return info.Env().Undefined();
  double values[SystemState::kValues];
  if (!Fits(info, "read", "into", into, sizeof(values))) return info.Env().Undefined();
  if (state_ != nullptr) {
    state_->Take(event, values);
    std::memcpy(into.data, values, sizeof(values));
  }
  return info.Env().Undefined();
}

Napi::Value SystemProbe::Close(const Napi::CallbackInfo& info) {
  Forget();
  if (state_ != nullptr) state_->Close();
  return info.Env().Undefined();
}

}  // namespace oomscope
