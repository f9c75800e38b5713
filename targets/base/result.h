// SPDX-License-Identifier: Apache-2.0
//
// Result and Error: the only way a failure travels inside Lacuna.
//
// No exception crosses one of our functions. A function that can fail returns `Result<T>`; its caller
// checks it, most often with LACUNA_TRY. Messages are lower case, without a final period, and name the
// value and the limit: "nr 24 is not a multiple of the vector length 16".
// Thread safety: values, no shared state.
#pragma once

#include <cstdint>
#include <fmt/format.h>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>

namespace lacuna {

// The numbers are part of the C ABI (lacuna.h: LACUNA_ERROR_*): append, never renumber.
enum class ErrorCode : std::int32_t {
  kOk = 0,
  kInvalidArgument = 1,  // the caller passed a value outside its documented range
  kInvalidFile = 2,      // a file was read, but its content is malformed, truncated or corrupt
  kNotFound = 3,         // a file, record, kernel or plan that does not exist
  kIo = 4,               // the operating system refused: permissions, full disk, ...
  kUnsupported = 5,  // legal, but this build or machine cannot do it (no AVX-512, no plugin, ...)
  kCompile = 6,      // the code generator failed or rejected the kernel (a spill in a loop)
  kInterrupted = 7,  // stopped by the user; what was learned so far is kept
  kInternal = 8,     // a bug in Lacuna; please report
};

// A stable lower-case name, e.g. "invalid_argument".
[[nodiscard]] std::string_view to_text(ErrorCode code);

struct Error {
  ErrorCode code = ErrorCode::kInternal;
  std::string message;

  bool operator==(const Error&) const = default;
};

template <class T = void>
using Result = tl::expected<T, Error>;

// Builds the unexpected side of any Result: `return make_error(ErrorCode::kIo, "cannot open {}", path);`
template <class... Args>
[[nodiscard]] tl::unexpected<Error> make_error(ErrorCode code, fmt::format_string<Args...> format,
                                               Args&&... args) {
  return tl::unexpected<Error>(Error{code, fmt::format(format, std::forward<Args>(args)...)});
}

// Puts context in front of an error on its way up: "target zen4: <message>".
[[nodiscard]] inline tl::unexpected<Error> add_context(std::string_view context, Error error) {
  error.message = fmt::format("{}: {}", context, error.message);
  return tl::unexpected<Error>(std::move(error));
}

// Prints the condition and aborts. For programmer errors only, never for input, files or hardware.
[[noreturn]] void check_failed(const char* condition, const char* file, int line);

}  // namespace lacuna

#define LACUNA_CONCAT_(a, b) a##b
#define LACUNA_CONCAT(a, b) LACUNA_CONCAT_(a, b)

// LACUNA_TRY(const auto bytes, read_file(path)); returns the error from the enclosing function, or binds
// the value. LACUNA_TRY_VOID(write_file(...)) for Result<void>.
#define LACUNA_TRY_IMPL_(tmp, decl, expr)                                     \
  auto tmp = (expr);                                                          \
  if (!tmp) return ::tl::unexpected<::lacuna::Error>(std::move(tmp).error()); \
  decl = std::move(tmp).value()
#define LACUNA_TRY(decl, expr) LACUNA_TRY_IMPL_(LACUNA_CONCAT(lacuna_try_, __LINE__), decl, expr)
#define LACUNA_TRY_VOID(expr)                              \
  if (auto lacuna_try_result = (expr); !lacuna_try_result) \
  return ::tl::unexpected<::lacuna::Error>(std::move(lacuna_try_result).error())

#define LACUNA_CHECK(condition) \
  ((condition) ? static_cast<void>(0) : ::lacuna::check_failed(#condition, __FILE__, __LINE__))
