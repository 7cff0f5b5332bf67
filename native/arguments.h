// Reads the arguments of a call from JavaScript, and checks every one. A wrong argument throws a TypeError or RangeError
// that names the function, the argument, what was expected and what came:
//
//   Arguments arguments(info, "pidfdSignal");
//   int pidfd = arguments.Int("pidfd");
//   int signal = arguments.Int("signal");
//   if (!arguments.good()) return info.Env().Undefined();
//
// After the first wrong argument the others are not looked at, and every result is empty. A value is never converted:
// valueOf() of an object would run JavaScript here, and a symbol cannot be converted.
#pragma once

#include <napi.h>

#include <cstdint>
#include <string>
#include <vector>

namespace oomscope {

// Memory that JavaScript owns. It is valid during the call only.
struct Bytes {
  uint8_t* data = nullptr;
  size_t length = 0;
};

// Throws unless the bytes have this length, which the caller relies on. `as` follows the number, as in ", as the map has".
// Returns false then.
bool Fits(const Napi::CallbackInfo& info, const char* function, const char* name, Bytes bytes, size_t expected,
          const char* as = "");

// The values of a call, by position, or the fields of an object, by name.
class Arguments {
 public:
  Arguments(const Napi::CallbackInfo& info, const char* function);

  // false: an argument was wrong, and a JavaScript exception is pending.
  bool good() const { return *good_; }

  // A signed and an unsigned number of 32 bits. What it means, as a descriptor or pid, is checked by the kernel.
  int Int(const char* name);
  uint32_t Unsigned(const char* name, uint32_t least = 0, uint32_t most = UINT32_MAX);
  // A bigint of 64 bits without a sign.
  uint64_t BigInt(const char* name);
  bool Boolean(const char* name);
  // May be missing: then false.
  bool OptionalBoolean(const char* name);
  std::string Text(const char* name);
  // A text that C functions take, without NUL.
  std::string Path(const char* name);
  Bytes Uint8Array(const char* name);
  Napi::Function Function(const char* name);
  // Its fields are read in the same way; `good()` is common to both.
  Arguments Object(const char* name);
  // May be missing: then all its fields are, and is_missing() is true.
  Arguments OptionalObject(const char* name);
  // The elements are read in order, all under the name of the array.
  Arguments Array(const char* name);
  bool is_missing() const { return fields_.IsEmpty() && info_ == nullptr; }
  // Number of elements of an array.
  uint32_t length() const { return length_; }

 private:
  Arguments(const Arguments& outer, const std::string& path, Napi::Value fields);

  napi_value Next(const char* name);
  bool IsMissing(napi_value value) const;
  std::string PathOf(const char* name) const;
  bool Is(napi_value value, napi_valuetype type, const char* name, const char* expected);
  void Refuse(const char* name, const std::string& expected, napi_value got, bool of_range = false);

  napi_env env_;
  const char* function_;
  const Napi::CallbackInfo* info_ = nullptr;  // null: these are the fields of an object, or the elements of an array
  std::string path_;                          // as "options.owned."
  Napi::Object fields_;
  bool is_array_ = false;
  uint32_t length_ = 0;
  uint32_t next_ = 0;
  bool own_good_ = true;
  bool* good_;  // of the outermost arguments
};

}  // namespace oomscope
