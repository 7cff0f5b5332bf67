#include "libbpf.h"

#include <dlfcn.h>

#include <mutex>
#include <string>
#include <utility>

#include "arguments.h"
#include "log.h"

namespace oomscope {
namespace {

constexpr const char* kSystem = "libbpf.so.1";  // libbpf.so.0, before 1.0, has another interface

std::mutex mutex;  // workers load it, too
Libbpf functions;
const Libbpf* loaded = nullptr;
std::string loaded_name;

struct Candidate {
  std::string name;
  void* handle;
};

Candidate Open(const std::string& name, std::string& errors) {
  void* handle = dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) errors += (errors.empty() ? "" : "; ") + std::string(dlerror());
  return {name, handle};
}

// (major, minor) of libbpf; (0, 0) for a library that does not tell.
std::pair<uint32_t, uint32_t> Version(void* handle) {
  auto major = reinterpret_cast<decltype(&::libbpf_major_version)>(dlsym(handle, "libbpf_major_version"));
  auto minor = reinterpret_cast<decltype(&::libbpf_minor_version)>(dlsym(handle, "libbpf_minor_version"));
  if (major == nullptr || minor == nullptr) return {0, 0};
  return {major(), minor()};
}

// Closes the one that is not used: the older; the system's if both have the same version, since ours was tested with.
Candidate Newer(Candidate system, Candidate own) {
  if (system.handle == nullptr || own.handle == nullptr) return system.handle == nullptr ? own : system;
  bool newer = Version(system.handle) > Version(own.handle);
  dlclose(newer ? own.handle : system.handle);
  return newer ? system : own;
}

template <typename Function>
bool Resolve(void* handle, const char* name, Function& function) {
  function = reinterpret_cast<Function>(dlsym(handle, name));
  return function != nullptr;
}

bool ResolveAll(void* handle, Libbpf& f) {
  return Resolve(handle, "bpf_iter_create", f.bpf_iter_create) &&
         Resolve(handle, "bpf_link__destroy", f.bpf_link_destroy) &&
         Resolve(handle, "bpf_map_get_next_key", f.bpf_map_get_next_key) &&
         Resolve(handle, "bpf_map_lookup_elem", f.bpf_map_lookup_elem) &&
         Resolve(handle, "bpf_map_update_elem", f.bpf_map_update_elem) &&
         Resolve(handle, "bpf_obj_get_info_by_fd", f.bpf_obj_get_info_by_fd) &&
         Resolve(handle, "bpf_object__close", f.bpf_object_close) &&
         Resolve(handle, "bpf_prog_test_run_opts", f.bpf_prog_test_run_opts) &&
         Resolve(handle, "libbpf_num_possible_cpus", f.libbpf_num_possible_cpus) &&
         Resolve(handle, "libbpf_set_print", f.libbpf_set_print) &&
         Resolve(handle, "ring_buffer__consume", f.ring_buffer_consume) &&
         Resolve(handle, "ring_buffer__free", f.ring_buffer_free) &&
         Resolve(handle, "ring_buffer__new", f.ring_buffer_new);
}

}  // namespace

const Libbpf* LoadedLibbpf() {
  std::lock_guard<std::mutex> lock(mutex);
  return loaded;
}

const Libbpf* NeedLibbpf(Napi::Env env) {
  const Libbpf* libbpf = LoadedLibbpf();
  if (libbpf == nullptr) {
    Napi::Error::New(env, "expected a call of loadLibbpf before any function that needs libbpf")
        .ThrowAsJavaScriptException();
  }
  return libbpf;
}

Napi::Value LoadLibbpf(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Arguments arguments(info, "loadLibbpf");
  std::string own = arguments.Path("own");
  if (!arguments.good()) return env.Undefined();
  std::lock_guard<std::mutex> lock(mutex);
  if (loaded == nullptr) {
    std::string errors;
    Candidate system = Open(kSystem, errors);
    Candidate chosen = own.empty() ? system : Newer(system, Open(own, errors));
    if (chosen.handle == nullptr || !ResolveAll(chosen.handle, functions)) {
      std::string why = chosen.handle == nullptr ? errors : chosen.name + " lacks a function of libbpf 1.0";
      Napi::Error::New(env, why).ThrowAsJavaScriptException();
      return env.Undefined();
    }
    CaptureLibbpfLog(functions);
    loaded_name = chosen.name;
    loaded = &functions;
  }
  return Napi::String::New(env, loaded_name);
}

}  // namespace oomscope
