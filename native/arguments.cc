#include "arguments.h"

#include <cmath>

namespace oomscope {
namespace {

// An array with more elements is refused: no function of the addon takes that many.
constexpr uint32_t kMostElements = 4096;

std::string Described(napi_env env, napi_value value) {
  napi_valuetype type = napi_undefined;
  if (value == nullptr || napi_typeof(env, value, &type) != napi_ok) return "nothing";
  switch (type) {
    case napi_undefined:
      return "undefined";
    case napi_null:
      return "null";
    case napi_boolean:
      return "a boolean";
    case napi_string:
      return "a string";
    case napi_symbol:
      return "a symbol";
    case napi_function:
      return "a function";
    case napi_bigint:
      return "a bigint";
    case napi_number: {
      double number = 0;
      napi_get_value_double(env, value, &number);
      if (std::isnan(number)) return "NaN";
      char text[32];
      snprintf(text, sizeof(text), "%.17g", number);
      return text;
    }
    default: {
      bool is_array = false;
      napi_is_array(env, value, &is_array);
      return is_array ? "an array" : "an object";
    }
  }
}

}  // namespace

Arguments::Arguments(const Napi::CallbackInfo& info, const char* function)
    : env_(info.Env()), function_(function), info_(&info), good_(&own_good_) {}

Arguments::Arguments(const Arguments& outer, const std::string& path, Napi::Value fields)
    : env_(outer.env_), function_(outer.function_), path_(path), good_(outer.good_) {
  if (fields.IsEmpty()) return;
  fields_ = fields.As<Napi::Object>();
  is_array_ = fields.IsArray();
}

// The next argument, or the field of that name. A getter of the object may throw: then its exception is pending.
napi_value Arguments::Next(const char* name) {
  napi_value value = nullptr;
  if (!good()) return nullptr;
  if (info_ != nullptr) return (*info_)[next_++];
  if (fields_.IsEmpty()) return nullptr;
  napi_status status = is_array_ ? napi_get_element(env_, fields_, next_++, &value)
                                 : napi_get_named_property(env_, fields_, name, &value);
  if (status == napi_ok) return value;
  bool is_pending = false;
  napi_is_exception_pending(env_, &is_pending);
  if (!is_pending) Refuse(name, "a value that can be read", nullptr);
  *good_ = false;
  return nullptr;
}

std::string Arguments::PathOf(const char* name) const {
  return is_array_ ? path_ + "[" + std::to_string(next_ - 1) + "]" : path_ + name;
}

void Arguments::Refuse(const char* name, const std::string& expected, napi_value got, bool of_range) {
  if (!good()) return;
  *good_ = false;
  std::string message =
      std::string(function_) + ": " + PathOf(name) + ": expected " + expected + ", got " + Described(env_, got) + ".";
  if (of_range)
    napi_throw_range_error(env_, nullptr, message.c_str());
  else
    napi_throw_type_error(env_, nullptr, message.c_str());
}

bool Arguments::Is(napi_value value, napi_valuetype type, const char* name, const char* expected) {
  if (!good()) return false;
  napi_valuetype found = napi_undefined;
  if (value != nullptr && napi_typeof(env_, value, &found) == napi_ok && found == type) return true;
  Refuse(name, expected, value);
  return false;
}

bool Arguments::IsMissing(napi_value value) const {
  napi_valuetype type = napi_undefined;
  return value == nullptr || (napi_typeof(env_, value, &type) == napi_ok && type == napi_undefined);
}

int Arguments::Int(const char* name) {
  constexpr const char* kExpected = "a whole number of 32 bits";
  napi_value value = Next(name);
  if (!Is(value, napi_number, name, kExpected)) return 0;
  double number = 0;
  napi_get_value_double(env_, value, &number);
  if (number >= INT32_MIN && number <= INT32_MAX && number == std::trunc(number)) return static_cast<int>(number);
  Refuse(name, kExpected, value, true);
  return 0;
}

uint32_t Arguments::Unsigned(const char* name, uint32_t least, uint32_t most) {
  std::string expected = "a whole number from " + std::to_string(least) + " to " + std::to_string(most);
  napi_value value = Next(name);
  if (!Is(value, napi_number, name, expected.c_str())) return 0;
  double number = 0;
  napi_get_value_double(env_, value, &number);
  if (number >= least && number <= most && number == std::trunc(number)) return static_cast<uint32_t>(number);
  Refuse(name, expected, value, true);
  return 0;
}

uint64_t Arguments::BigInt(const char* name) {
  constexpr const char* kExpected = "a bigint from 0n to 2n ** 64n - 1n";
  napi_value value = Next(name);
  if (!Is(value, napi_bigint, name, kExpected)) return 0;
  uint64_t number = 0;
  bool lossless = false;
  if (napi_get_value_bigint_uint64(env_, value, &number, &lossless) == napi_ok && lossless) return number;
  Refuse(name, kExpected, value, true);
  return 0;
}

bool Arguments::Boolean(const char* name) {
  napi_value value = Next(name);
  bool truth = false;
  if (Is(value, napi_boolean, name, "a boolean")) napi_get_value_bool(env_, value, &truth);
  return truth;
}

bool Arguments::OptionalBoolean(const char* name) {
  napi_value value = Next(name);
  bool truth = false;
  if (good() && !IsMissing(value) && Is(value, napi_boolean, name, "a boolean, or nothing"))
    napi_get_value_bool(env_, value, &truth);
  return truth;
}

std::string Arguments::Text(const char* name) {
  napi_value value = Next(name);
  if (!Is(value, napi_string, name, "a string")) return "";
  return Napi::String(env_, value).Utf8Value();
}

std::string Arguments::Path(const char* name) {
  napi_value value = Next(name);
  if (!Is(value, napi_string, name, "a string without NUL")) return "";
  std::string text = Napi::String(env_, value).Utf8Value();
  if (text.find('\0') != std::string::npos) Refuse(name, "a string without NUL", value);
  return good() ? text : "";
}

Bytes Arguments::Uint8Array(const char* name) {
  napi_value value = Next(name);
  bool is_typed_array = false;
  if (!good()) return {};
  if (value != nullptr) napi_is_typedarray(env_, value, &is_typed_array);
  napi_typedarray_type type = napi_float64_array;
  size_t length = 0;
  void* data = nullptr;
  if (is_typed_array && napi_get_typedarray_info(env_, value, &type, &length, &data, nullptr, nullptr) == napi_ok &&
      type == napi_uint8_array)
    return {static_cast<uint8_t*>(data), data == nullptr ? 0 : length};
  Refuse(name, "a Uint8Array", value);
  return {};
}

Napi::Function Arguments::Function(const char* name) {
  napi_value value = Next(name);
  return Is(value, napi_function, name, "a function") ? Napi::Function(env_, value) : Napi::Function();
}

Arguments Arguments::Object(const char* name) {
  napi_value value = Next(name);
  bool is_object = Is(value, napi_object, name, "an object");
  return Arguments(*this, PathOf(name) + ".", is_object ? Napi::Value(env_, value) : Napi::Value());
}

Arguments Arguments::OptionalObject(const char* name) {
  napi_value value = Next(name);
  bool is_object = good() && !IsMissing(value) && Is(value, napi_object, name, "an object, or nothing");
  return Arguments(*this, PathOf(name) + ".", is_object ? Napi::Value(env_, value) : Napi::Value());
}

Arguments Arguments::Array(const char* name) {
  napi_value value = Next(name);
  bool is_array = false;
  if (good() && value != nullptr) napi_is_array(env_, value, &is_array);
  if (!is_array) Refuse(name, "an array", value);
  Arguments elements(*this, PathOf(name), is_array ? Napi::Value(env_, value) : Napi::Value());
  if (is_array) napi_get_array_length(env_, value, &elements.length_);
  if (elements.length_ > kMostElements) {
    Refuse(name, "an array of at most " + std::to_string(kMostElements) + " elements", value, true);
    elements.length_ = 0;
  }
  return elements;
}

bool Fits(const Napi::CallbackInfo& info, const char* function, const char* name, Bytes bytes, size_t expected,
          const char* as) {
  if (bytes.length == expected) return true;
  std::string message = std::string(function) + ": " + name + ": expected " + std::to_string(expected) + " bytes" + as +
                        ", got " + std::to_string(bytes.length) + ".";
  Napi::RangeError::New(info.Env(), message).ThrowAsJavaScriptException();
  return false;
}

}  // namespace oomscope
