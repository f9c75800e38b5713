// SPDX-License-Identifier: Apache-2.0
//
// Dense weights from .npy files.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string_view>
#include <vector>

#include "targets/base/result.h"

namespace lacuna {

// Row-major data[i*k + j], without padding.
struct DenseMatrix {
  std::int64_t m = 0, k = 0;
  std::vector<float> data;
};

// A 2-D array of bool, integers of up to 8 bytes, or floats of 2, 4 or 8 bytes, in C or Fortran order; each element is
// rounded to the nearest float (a double beyond its range becomes infinite). NaN and infinities are kept.
// Errors: kNotFound, kIo (also: no memory); kInvalidFile (not a .npy file, truncated, not two dimensions, not numbers),
// kUnsupported (another element type), kInvalidArgument (more than 2^31 elements).
[[nodiscard]] Result<DenseMatrix> load_dense_npy(const std::filesystem::path& path);

// The parser behind it. `name` appears in messages.
[[nodiscard]] Result<DenseMatrix> parse_dense_npy(std::span<const std::byte> bytes,
                                                  std::string_view name);

}  // namespace lacuna
