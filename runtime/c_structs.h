// SPDX-License-Identifier: Apache-2.0
//
// What C callers hand over: checked, and turned into the values of this library. Every message names the field.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "lacuna/lacuna.h"
#include "runtime/engine.h"
#include "runtime/mask.h"
#include "targets/base/result.h"
#include "templates/problem.h"

namespace lacuna {

template <class T>
[[nodiscard]] Result<> require(const T* pointer, const char* name) {
  if (pointer == nullptr) return make_error(ErrorCode::kInvalidArgument, "{} is null", name);
  return {};
}

[[nodiscard]] Result<> require_in(std::int64_t value, std::int64_t low, std::int64_t high,
                                  const char* name);

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

// The array's stride is the caller's struct size, the same for all.
[[nodiscard]] Result<std::vector<Problem>> make_problems(const lacuna_problem* given,
                                                         std::size_t count, const Mask& mask);
[[nodiscard]] Result<Operands> make_operands(const lacuna_operands& given);

}  // namespace lacuna
