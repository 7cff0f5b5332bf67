// Finds the parts of a file in which phrases begin, on a thread of libuv's pool. src/explain/phrases.ts has the same search in TypeScript.
#include "phrases.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <system_error>
#include <vector>

#include "arguments.h"

namespace oomscope {

namespace {

constexpr size_t kBufferBytes = 256 * 1024;
constexpr size_t kBlockBytes = 4096;
constexpr uint32_t kMostBytes = 64 << 20;
constexpr size_t kMostPhrase = 255;
constexpr size_t kMostPhrases = 255;
constexpr size_t kHashBits = 14;
// One search waits for the result of its table look-ups most of the time. Four searches at once keep the CPU busy.
constexpr int kLanes = 4;

// The algorithm of Wu and Manber (1994) with blocks of three bytes: the table has how far the search may move on when the
// last bytes that a phrase could end its first `shortest_` bytes with are these.
class Phrases {
 public:
  explicit Phrases(std::vector<std::string> phrases)
      : phrases_(std::move(phrases)), shift_(1 << kHashBits), begins_(1 << kHashBits) {
    for (const std::string& phrase : phrases_) {
      shortest_ = std::min(shortest_, phrase.size());
      longest_ = std::max(longest_, phrase.size());
    }
    std::fill(shift_.begin(), shift_.end(), static_cast<uint8_t>(shortest_ - 2));
    for (const std::string& phrase : phrases_) {
      begins_[Hash(reinterpret_cast<const uint8_t*>(phrase.data()) + 2)] = 1;
      for (size_t last = 2; last < shortest_; last++) {
        uint8_t& shift = shift_[Hash(reinterpret_cast<const uint8_t*>(phrase.data()) + last)];
        shift = std::min(shift, static_cast<uint8_t>(shortest_ - 1 - last));
      }
    }
  }

  size_t longest() const { return longest_; }

  // Marks the block of each phrase that begins before `starts` with 1 + its index. `length`: the bytes that may be looked at.
  void Mark(const uint8_t* bytes, size_t starts, size_t length, uint64_t offset, uint8_t* blocks) const {
    size_t at[kLanes], end[kLanes];
    size_t most = std::min(starts + shortest_ - 1, length);
    for (int lane = 0; lane < kLanes; lane++) {
      at[lane] = starts * lane / kLanes + shortest_ - 1;
      end[lane] = lane == kLanes - 1 ? most : std::min(starts * (lane + 1) / kLanes + shortest_ - 1, most);
    }
    const uint8_t* shifts = shift_.data();
    const uint8_t* begins = begins_.data();
    auto next = [&](size_t last) {
      size_t shift = shifts[Hash(bytes + last)];
      if (shift > 0) return last + shift;
      size_t begin = last + 1 - shortest_;
      if (begins[Hash(bytes + begin + 2)] != 0) {
        uint8_t& block = blocks[(offset + begin) / kBlockBytes];
        block = std::max(block, LastAt(bytes + begin, length - begin));
      }
      return last + 1;
    };
    size_t a = at[0], b = at[1], c = at[2], d = at[3];
    while (a < end[0] && b < end[1] && c < end[2] && d < end[3]) {
      a = next(a);
      b = next(b);
      c = next(c);
      d = next(d);
    }
    while (a < end[0]) a = next(a);
    while (b < end[1]) b = next(b);
    while (c < end[2]) c = next(c);
    while (d < end[3]) d = next(d);
  }

 private:
  // Of the three bytes that end at `last`.
  static size_t Hash(const uint8_t* last) {
    uint16_t first;
    memcpy(&first, last - 2, 2);
    uint32_t block = first | static_cast<uint32_t>(last[0]) << 16;
    return block * 2654435761u >> (32 - kHashBits);
  }

  // 1 + the index of the last phrase of the list that begins here, or 0.
  uint8_t LastAt(const uint8_t* bytes, size_t length) const {
    size_t i = phrases_.size();
    while (i > 0 && (phrases_[i - 1].size() > length || memcmp(bytes, phrases_[i - 1].data(), phrases_[i - 1].size()) != 0)) i--;
    return static_cast<uint8_t>(i);
  }

  std::vector<std::string> phrases_;
  std::vector<uint8_t> shift_;
  // 1: a phrase may begin with these three bytes.
  std::vector<uint8_t> begins_;
  size_t shortest_ = kMostPhrase;
  size_t longest_ = 0;
};

class Search : public Napi::AsyncWorker {
 public:
  Search(Napi::Env env, int fd, uint64_t offset, size_t length, Phrases phrases)
      : Napi::AsyncWorker(env),
        deferred(Napi::Promise::Deferred::New(env)),
        fd_(fd),
        offset_(offset),
        phrases_(std::move(phrases)),
        length_(length),
        blocks_((length + kBlockBytes - 1) / kBlockBytes) {}
  ~Search() override { close(fd_); }

  const Napi::Promise::Deferred deferred;

 protected:
  void Execute() override {
    // Each read also has the bytes in which a phrase of the part before it may end.
    const size_t more = phrases_.longest() - 1;
    std::unique_ptr<uint8_t[]> buffer(new uint8_t[kBufferBytes + more]);
    for (size_t done = 0; done < length_; done += kBufferBytes) {
      size_t starts = std::min(kBufferBytes, length_ - done);
      size_t have = 0;
      while (have < starts + more) {
        ssize_t got = pread(fd_, buffer.get() + have, starts + more - have, static_cast<off_t>(offset_ + done + have));
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return SetError(std::system_category().message(errno));
        if (got == 0) break;
        have += static_cast<size_t>(got);
      }
      phrases_.Mark(buffer.get(), std::min(starts, have), have, done, blocks_.data());
      if (have < starts) break;  // the file has become shorter
    }
  }

  void OnOK() override {
    auto result = Napi::Uint8Array::New(Env(), blocks_.size());
    std::copy(blocks_.begin(), blocks_.end(), result.Data());
    deferred.Resolve(result);
  }

  void OnError(const Napi::Error& error) override { deferred.Reject(error.Value()); }

 private:
  const int fd_;
  const uint64_t offset_;
  const Phrases phrases_;
  const size_t length_;
  std::vector<uint8_t> blocks_;
};

// findPhrases(fd, offset, length, phrases) -> Promise<Uint8Array>: for each block of 4096 bytes, 1 + the greatest index of
// a phrase that begins in it, or 0
Napi::Value FindPhrases(const Napi::CallbackInfo& info) {
  Arguments arguments(info, "findPhrases");
  int fd = arguments.Int("fd");
  uint64_t offset = arguments.BigInt("offset");
  uint32_t length = arguments.Unsigned("length", 1, kMostBytes);
  Arguments given = arguments.Array("phrases");
  std::vector<std::string> phrases;
  for (uint32_t i = 0; i < given.length(); i++) {
    phrases.push_back(given.Text("phrases"));
    if (arguments.good() && (phrases.back().size() < 4 || phrases.back().size() > kMostPhrase)) {
      Napi::RangeError::New(info.Env(), "findPhrases: phrases: expected 4 to 255 bytes each").ThrowAsJavaScriptException();
      return info.Env().Undefined();
    }
  }
  if (!arguments.good()) return info.Env().Undefined();
  if (phrases.empty() || phrases.size() > kMostPhrases) {
    Napi::RangeError::New(info.Env(), "findPhrases: phrases: expected 1 to 255").ThrowAsJavaScriptException();
    return info.Env().Undefined();
  }
  if (offset > static_cast<uint64_t>(INT64_MAX) - kMostBytes - kMostPhrase) {
    Napi::RangeError::New(info.Env(), "findPhrases: offset: expected less than 2^63").ThrowAsJavaScriptException();
    return info.Env().Undefined();
  }
  int own = fcntl(fd, F_DUPFD_CLOEXEC, 0);  // the caller may close its descriptor before the search ends
  if (own < 0) {
    Napi::Error::New(info.Env(), "findPhrases: fd: " + std::system_category().message(errno)).ThrowAsJavaScriptException();
    return info.Env().Undefined();
  }
  auto* search = new Search(info.Env(), own, offset, length, Phrases(std::move(phrases)));
  Napi::Promise promise = search->deferred.Promise();
  search->Queue();
  return promise;
}

}  // namespace

void DefinePhrases(Napi::Env env, Napi::Object exports) {
  exports.Set("findPhrases", Napi::Function::New<FindPhrases>(env));
}

}  // namespace oomscope
