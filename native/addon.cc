#include <malloc.h>
#include <napi.h>
#include <unistd.h>

#include "attribute.h"
#include "bpf-syscalls.h"
#include "composition.h"
#include "exits.h"
#include "keep-loaded.h"
#include "levels.h"
#include "libbpf.h"
#include "log.h"
#include "phrases.h"
#include "process.h"
#include "psi.h"
#include "rights.h"
#include "ring.h"
#include "system-probe.h"
#include "young-pages.h"

namespace {

// Returns freed memory to the kernel: after a BPF object is loaded, the C heap keeps megabytes that held kernel BTF.
Napi::Value TrimHeap(const Napi::CallbackInfo& info) { return Napi::Boolean::New(info.Env(), malloc_trim(0) == 1); }

// heapBytes() -> { used, held }: bytes of the C heap that are allocated, and that the heap has from the kernel. It costs a
// walk over the free lists of all arenas.
Napi::Value HeapBytes(const Napi::CallbackInfo& info) {
  struct mallinfo2 heap = mallinfo2();
  Napi::Object out = Napi::Object::New(info.Env());
  out.Set("used", Napi::Number::New(info.Env(), static_cast<double>(heap.uordblks + heap.hblkhd)));
  out.Set("held", Napi::Number::New(info.Env(), static_cast<double>(heap.arena + heap.hblkhd)));
  return out;
}

Napi::Value PageSize(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(sysconf(_SC_PAGESIZE)));
}

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  oomscope::KeepThisAddonLoaded();
  exports.Set("RingReader", oomscope::RingReader::Define(env));
  exports.Set("ExitWatcher", oomscope::ExitWatcher::Define(env));
  exports.Set("LevelWatcher", oomscope::LevelWatcher::Define(env));
  exports.Set("SystemProbe", oomscope::SystemProbe::Define(env));
  exports.Set("PsiWatcher", oomscope::PsiWatcher::Define(env));
  oomscope::DefineProcess(env, exports);
  oomscope::DefineBpfSyscalls(env, exports);
  oomscope::DefineRights(env, exports);
  oomscope::DefineAttribute(env, exports);
  oomscope::DefinePhrases(env, exports);
  oomscope::DefineYoungPages(env, exports);
  exports.Set("loadLibbpf", Napi::Function::New<oomscope::LoadLibbpf>(env));
  exports.Set("takeLibbpfLog", Napi::Function::New<oomscope::TakeLibbpfLog>(env));
  exports.Set("cgroupComposition", Napi::Function::New<oomscope::CgroupComposition>(env));
  exports.Set("trimHeap", Napi::Function::New<TrimHeap>(env));
  exports.Set("heapBytes", Napi::Function::New<HeapBytes>(env));
  exports.Set("keepLoaded", Napi::Function::New<oomscope::KeepLoaded>(env));
  exports.Set("pageSize", Napi::Function::New<PageSize>(env));
  return exports;
}

}  // namespace

NODE_API_MODULE(oomscope, Init)
