// SPDX-License-Identifier: Apache-2.0
//
// NpyArray: a view of one NumPy .npy file in memory (format versions 1.0, 2.0 and 3.0).
//
// Element types: bool, signed and unsigned integers of 1 to 8 bytes, floats of 2, 4 and 8 bytes, in either byte order,
// and byte or Unicode strings (for SciPy's format name). Everything else is kUnsupported.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "targets/base/result.h"

namespace lacuna {

// Borrows the file's bytes.
struct NpyArray {
  char kind = 'f';  // 'b' bool, 'i', 'u', 'f', 'S' bytes, 'U' UCS-4
  std::int32_t item_bytes = 4;
  bool big_endian = false;
  bool fortran_order = false;       // first index contiguous
  std::vector<std::int64_t> shape;  // empty: one scalar
  std::span<const std::byte> data;  // exactly count() items

  [[nodiscard]] std::int64_t count() const;
  // The item's bits as an unsigned number, byte order undone. At most 8 bytes an item.
  [[nodiscard]] std::uint64_t bits(std::int64_t item) const;
  // For numbers and bools. A negative zero is zero.
  [[nodiscard]] bool is_nonzero(std::int64_t item) const;
  [[nodiscard]] bool is_finite(std::int64_t item) const;
  [[nodiscard]] bool is_number() const { return kind != 'S' && kind != 'U'; }
};

// Errors: kInvalidFile (bad magic, truncated or malformed header, data of another size than the shape asks),
// kUnsupported (another version or element type).
[[nodiscard]] Result<NpyArray> parse_npy(std::span<const std::byte> bytes);

// All items as 64-bit integers. Errors: kInvalidFile (not integers, a value beyond 2^63 - 1).
[[nodiscard]] Result<std::vector<std::int64_t>> to_integers(const NpyArray& array);

// A scalar string item, without trailing NULs; "" if the array is not one string of ASCII.
[[nodiscard]] std::string to_ascii(const NpyArray& array);

}  // namespace lacuna
