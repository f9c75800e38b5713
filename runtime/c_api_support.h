// SPDX-License-Identifier: Apache-2.0
//
// What the entry points of the C ABI share: errors, checks of arguments, handles. Every entry point that can fail goes
// through guarded(), so that no exception leaves the library.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <new>
#include <string>
#include <utility>

#include "lacuna/lacuna.h"
#include "runtime/mask.h"
#include "targets/base/result.h"

struct lacuna_mask {
  lacuna::Mask mask;
};

namespace lacuna {

// The message of the calling thread's last failure; `text` is "" or points into `owned` or to a literal.
struct LastError {
  std::string owned;
  const char* text = "";
};
inline thread_local LastError last_error;

inline lacuna_status fail(Error error) noexcept {
  last_error.owned = std::move(error.message);
  last_error.text = last_error.owned.c_str();
  return static_cast<lacuna_status>(error.code);
}

inline lacuna_status fail(ErrorCode code, const char* literal) noexcept {
  last_error.text = literal;
  return static_cast<lacuna_status>(code);
}

// Runs a function that returns Result<>.
template <class F>
lacuna_status guarded(F&& function) noexcept {
  try {
    if (Result<> result = function(); !result) return fail(std::move(result).error());
    return LACUNA_OK;
  } catch (const std::bad_alloc&) {
    return fail(ErrorCode::kIo, "out of memory");
  } catch (...) {  // also what a C++ caller's parallel_for throws
    return fail(ErrorCode::kInternal, "unexpected exception");
  }
}

template <class T>
[[nodiscard]] Result<> require(const T* pointer, const char* name) {
  if (pointer == nullptr) return make_error(ErrorCode::kInvalidArgument, "{} is null", name);
  return {};
}

[[nodiscard]] inline Result<> require_in(std::int64_t value, std::int64_t low, std::int64_t high,
                                         const char* name) {
  if (value < low || value > high)
    return make_error(ErrorCode::kInvalidArgument, "{} {} is not in [{}, {}]", name, value, low,
                      high);
  return {};
}

// A caller's option struct. Older callers pass shorter ones (the rest keeps its zeros), newer ones longer ones, whose
// unknown fields must be zero.
template <class T>
[[nodiscard]] Result<T> read_struct(const T* given, const char* name) {
  T value{};
  const std::size_t size = given->struct_size;
  if (size < sizeof(size) || size > 4096)
    return make_error(ErrorCode::kInvalidArgument, "{}.struct_size {} is not in [{}, 4096]", name,
                      size, sizeof(size));
  if (size % alignof(T) !=
      0)  // no struct has such a size, and an array of them would not be aligned
    return make_error(ErrorCode::kInvalidArgument, "{}.struct_size {} is not a multiple of {}",
                      name, size, alignof(T));
  std::memcpy(&value, given, std::min(size, sizeof(T)));
  const auto* const bytes = reinterpret_cast<const unsigned char*>(given);
  for (std::size_t i = sizeof(T); i < size; ++i)
    if (bytes[i] != 0)
      return make_error(ErrorCode::kUnsupported, "{} sets a field this version does not know",
                        name);
  return value;
}

// Elements of `lines` lines of `width` that lie `ld` apart; an error if that overflows.
[[nodiscard]] inline Result<std::size_t> extent_of(std::int64_t lines, std::int64_t width,
                                                   std::int64_t ld) {
  std::int64_t extent = 0;
  if (lines <= 0 || width <= 0) return 0;
  if (ld < width)
    return make_error(ErrorCode::kInvalidArgument, "lda {} is less than k {}", ld, width);
  if (__builtin_mul_overflow(lines, ld, &extent) ||
      extent > std::numeric_limits<std::int64_t>::max() / static_cast<std::int64_t>(sizeof(float)))
    return make_error(ErrorCode::kInvalidArgument, "{} rows with lda {} exceed the address space",
                      lines, ld);
  return static_cast<std::size_t>(extent - ld + width);
}

// Makes an object by `make`, and hands its ownership to the caller of the C function.
template <class T, class F>
lacuna_status make_handle(T** out, F&& make) noexcept {
  return guarded([&]() -> Result<> {
    LACUNA_TRY_VOID(require(out, "out"));
    *out = nullptr;
    LACUNA_TRY(std::unique_ptr<T> made, make());
    *out = made.release();
    return {};
  });
}

}  // namespace lacuna
