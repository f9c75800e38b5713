// SPDX-License-Identifier: Apache-2.0
#include "targets/base/result.h"

#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace lacuna {

std::string_view to_text(ErrorCode code) {
  switch (code) {
    case ErrorCode::kOk:
      return "ok";
    case ErrorCode::kInvalidArgument:
      return "invalid_argument";
    case ErrorCode::kInvalidFile:
      return "invalid_file";
    case ErrorCode::kNotFound:
      return "not_found";
    case ErrorCode::kIo:
      return "io";
    case ErrorCode::kUnsupported:
      return "unsupported";
    case ErrorCode::kCompile:
      return "compile";
    case ErrorCode::kInterrupted:
      return "interrupted";
    case ErrorCode::kInternal:
      return "internal";
  }
  return "unknown";
}

void check_failed(const char* condition, const char* file, int line) {
  std::fprintf(stderr, "lacuna: check failed: %s (%s:%d)\n", condition, file, line);
  std::abort();
}

}  // namespace lacuna
