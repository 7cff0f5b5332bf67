#include "log.h"

#include <cstdarg>
#include <cstdio>
#include <string>

namespace oomscope {
namespace {

constexpr size_t kMost = 256 * 1024;  // if a verifier log is longer, only its end is kept, which has the error

thread_local std::string captured;

int Capture(libbpf_print_level level, const char* format, va_list arguments) {
  if (level == LIBBPF_DEBUG) return 0;
  va_list again;
  va_copy(again, arguments);
  int size = vsnprintf(nullptr, 0, format, arguments);
  if (size > 0) {
    std::string line(static_cast<size_t>(size) + 1, '\0');
    vsnprintf(line.data(), line.size(), format, again);
    line.pop_back();
    captured += line;
    if (captured.size() > kMost) captured.erase(0, captured.size() - kMost);
  }
  va_end(again);
  return size;
}

}  // namespace

void CaptureLibbpfLog(const Libbpf& libbpf) { libbpf.libbpf_set_print(Capture); }

// takeLibbpfLog() -> the lines that libbpf has logged on this thread since the last call
Napi::Value TakeLibbpfLog(const Napi::CallbackInfo& info) {
  Napi::String text = Napi::String::New(info.Env(), captured);
  captured.clear();
  captured.shrink_to_fit();
  return text;
}

}  // namespace oomscope
