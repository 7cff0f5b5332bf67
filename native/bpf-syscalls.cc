#include "bpf-syscalls.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "arguments.h"
#include "libbpf.h"

namespace oomscope {
namespace {

Napi::Value Result(const Napi::CallbackInfo& info, int result) { return Napi::Number::New(info.Env(), result); }

// The sizes that the kernel copies: it gets only addresses, and would go beyond the end of a buffer that is too short.
struct Sizes {
  size_t key = 0;
  size_t value = 0;
  uint32_t entries = 0;
};

// Returns 0 or the negative errno.
int SizesOf(const Libbpf& libbpf, int fd, Sizes* sizes) {
  bpf_map_info map{};
  uint32_t length = sizeof(map);
  if (int error = libbpf.bpf_obj_get_info_by_fd(fd, &map, &length)) return error;
  bool is_per_cpu = map.type == BPF_MAP_TYPE_PERCPU_HASH || map.type == BPF_MAP_TYPE_PERCPU_ARRAY ||
                    map.type == BPF_MAP_TYPE_LRU_PERCPU_HASH;
  sizes->key = map.key_size;
  // kernel/bpf/syscall.c: bpf_map_value_size()
  size_t cpus = is_per_cpu ? static_cast<size_t>(std::max(libbpf.libbpf_num_possible_cpus(), 1)) : 1;
  sizes->value = is_per_cpu ? (map.value_size + 7) / 8 * 8 * cpus : map.value_size;
  sizes->entries = map.max_entries;
  return 0;
}

bool FitsMap(const Napi::CallbackInfo& info, const char* function, const char* name, Bytes bytes, size_t expected) {
  return Fits(info, function, name, bytes, expected, ", as the map has");
}

// Runs a program once, with the context if there is one.
Napi::Value Run(const Napi::CallbackInfo& info, const Libbpf& libbpf, int fd, void* context, size_t size) {
  bpf_test_run_opts options{};
  options.sz = sizeof(options);
  options.ctx_in = context;
  options.ctx_size_in = static_cast<uint32_t>(size);
  int error = libbpf.bpf_prog_test_run_opts(fd, &options);
  return Napi::Number::New(info.Env(), error != 0 ? static_cast<double>(error) : static_cast<double>(options.retval));
}

// mapUpdate(fd, key, value, flags) -> 0 or the negative errno
Napi::Value MapUpdate(const Napi::CallbackInfo& info) {
  Arguments arguments(info, "mapUpdate");
  int fd = arguments.Int("fd");
  Bytes key = arguments.Uint8Array("key");
  Bytes value = arguments.Uint8Array("value");
  uint32_t flags = arguments.Unsigned("flags");
  const Libbpf* libbpf = arguments.good() ? NeedLibbpf(info.Env()) : nullptr;
  if (libbpf == nullptr) return info.Env().Undefined();
  Sizes sizes;
  if (int error = SizesOf(*libbpf, fd, &sizes)) return Result(info, error);
  if (!FitsMap(info, "mapUpdate", "key", key, sizes.key) || !FitsMap(info, "mapUpdate", "value", value, sizes.value))
    return info.Env().Undefined();
  return Result(info, libbpf->bpf_map_update_elem(fd, key.data, value.data, flags));
}

// mapLookup(fd, key, into) -> 0 or the negative errno
Napi::Value MapLookup(const Napi::CallbackInfo& info) {
  Arguments arguments(info, "mapLookup");
  int fd = arguments.Int("fd");
  Bytes key = arguments.Uint8Array("key");
  Bytes into = arguments.Uint8Array("into");
  const Libbpf* libbpf = arguments.good() ? NeedLibbpf(info.Env()) : nullptr;
  if (libbpf == nullptr) return info.Env().Undefined();
  Sizes sizes;
  if (int error = SizesOf(*libbpf, fd, &sizes)) return Result(info, error);
  if (!FitsMap(info, "mapLookup", "key", key, sizes.key) || !FitsMap(info, "mapLookup", "into", into, sizes.value))
    return info.Env().Undefined();
  return Result(info, libbpf->bpf_map_lookup_elem(fd, key.data, into.data));
}

// mapEntries(fd, into) -> the number of elements of the map, or the negative errno. Each element is written as its key,
// followed by its value; those for which there is no room are counted only. An element that is added or removed meanwhile
// may be missed or come twice.
Napi::Value MapEntries(const Napi::CallbackInfo& info) {
  Arguments arguments(info, "mapEntries");
  int fd = arguments.Int("fd");
  Bytes into = arguments.Uint8Array("into");
  const Libbpf* libbpf = arguments.good() ? NeedLibbpf(info.Env()) : nullptr;
  if (libbpf == nullptr) return info.Env().Undefined();
  Sizes sizes;
  if (int error = SizesOf(*libbpf, fd, &sizes)) return Result(info, error);
  std::vector<uint8_t> key(sizes.key), next(sizes.key), value(sizes.value);
  const size_t row = sizes.key + sizes.value;
  uint32_t count = 0;
  // While elements are removed, the kernel may begin again with the first element, so the number of steps is limited.
  for (uint32_t step = 0; step < sizes.entries; step++) {
    if (libbpf->bpf_map_get_next_key(fd, step == 0 ? nullptr : key.data(), next.data()) != 0) break;
    std::swap(key, next);
    if (libbpf->bpf_map_lookup_elem(fd, key.data(), value.data()) != 0) continue;
    if ((count + size_t{1}) * row <= into.length) {
      std::memcpy(into.data + count * row, key.data(), key.size());
      std::memcpy(into.data + count * row + key.size(), value.data(), value.size());
    }
    count++;
  }
  return Napi::Number::New(info.Env(), count);
}

// programRun(fd) -> the program's result, or the negative errno (BPF_PROG_TEST_RUN; raw tracepoints since 5.10)
Napi::Value ProgramRun(const Napi::CallbackInfo& info) {
  Arguments arguments(info, "programRun");
  int fd = arguments.Int("fd");
  const Libbpf* libbpf = arguments.good() ? NeedLibbpf(info.Env()) : nullptr;
  if (libbpf == nullptr) return info.Env().Undefined();
  return Run(info, *libbpf, fd, nullptr, 0);
}

// programRunOn(fd, bytes) -> the result of the raw tracepoint program, whose arguments are the address and the length of the
// bytes; or the negative errno
Napi::Value ProgramRunOn(const Napi::CallbackInfo& info) {
  Arguments arguments(info, "programRunOn");
  int fd = arguments.Int("fd");
  Bytes bytes = arguments.Uint8Array("bytes");
  const Libbpf* libbpf = arguments.good() ? NeedLibbpf(info.Env()) : nullptr;
  if (libbpf == nullptr) return info.Env().Undefined();
  uint64_t context[] = {reinterpret_cast<uintptr_t>(bytes.data), bytes.length};
  return Run(info, *libbpf, fd, context, sizeof(context));
}

// iteratorOpen(linkFd) -> a descriptor, or the negative errno
Napi::Value IteratorOpen(const Napi::CallbackInfo& info) {
  Arguments arguments(info, "iteratorOpen");
  int fd = arguments.Int("linkFd");
  const Libbpf* libbpf = arguments.good() ? NeedLibbpf(info.Env()) : nullptr;
  if (libbpf == nullptr) return info.Env().Undefined();
  return Result(info, libbpf->bpf_iter_create(fd));
}

}  // namespace

void DefineBpfSyscalls(Napi::Env env, Napi::Object exports) {
  exports.Set("mapUpdate", Napi::Function::New<MapUpdate>(env));
  exports.Set("mapLookup", Napi::Function::New<MapLookup>(env));
  exports.Set("mapEntries", Napi::Function::New<MapEntries>(env));
  exports.Set("programRun", Napi::Function::New<ProgramRun>(env));
  exports.Set("programRunOn", Napi::Function::New<ProgramRunOn>(env));
  exports.Set("iteratorOpen", Napi::Function::New<IteratorOpen>(env));
}

}  // namespace oomscope
