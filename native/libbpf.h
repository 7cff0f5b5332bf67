// The functions of libbpf that the addon calls. The addon is not linked to libbpf: a package has a copy beside the addon, and the
// system's libbpf.so.1 is used instead where it is newer, which is known only once the addon runs.
#pragma once

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <napi.h>

namespace oomscope {

struct Libbpf {
  decltype(&::bpf_iter_create) bpf_iter_create;
  decltype(&::bpf_link__destroy) bpf_link_destroy;
  decltype(&::bpf_map_get_next_key) bpf_map_get_next_key;
  decltype(&::bpf_map_lookup_elem) bpf_map_lookup_elem;
  decltype(&::bpf_map_update_elem) bpf_map_update_elem;
  decltype(&::bpf_obj_get_info_by_fd) bpf_obj_get_info_by_fd;
  decltype(&::bpf_object__close) bpf_object_close;
  decltype(&::bpf_prog_test_run_opts) bpf_prog_test_run_opts;
  decltype(&::libbpf_num_possible_cpus) libbpf_num_possible_cpus;
  decltype(&::libbpf_set_print) libbpf_set_print;
  decltype(&::ring_buffer__consume) ring_buffer_consume;
  decltype(&::ring_buffer__free) ring_buffer_free;
  decltype(&::ring_buffer__new) ring_buffer_new;
};

// The library that LoadLibbpf has loaded; null before. It stays loaded until the process ends.
const Libbpf* LoadedLibbpf();

// The same. Throws a JavaScript error and returns null before LoadLibbpf.
const Libbpf* NeedLibbpf(Napi::Env env);

// loadLibbpf(own) -> the name under which dlopen(3) finds the library that was loaded. `own` is the path of the copy of a
// package, or "" for none. Throws an error with the loader's words if neither the system's nor the package's can be loaded.
Napi::Value LoadLibbpf(const Napi::CallbackInfo& info);

}  // namespace oomscope
