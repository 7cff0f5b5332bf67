// The JavaScript exception for a thread that could not be started.
#pragma once

#include <napi.h>

#include <string>
#include <system_error>

namespace oomscope {

inline void ThrowNoThread(Napi::Env env, const std::string& who, const std::system_error& error) {
  Napi::Error thrown = Napi::Error::New(env, who + ": a thread cannot be started: " + error.code().message());
  thrown.Set("code", "EAGAIN");  // pthread_create(3) has no other error here
  thrown.ThrowAsJavaScriptException();
}

}  // namespace oomscope
