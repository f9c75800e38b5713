// SPDX-License-Identifier: Apache-2.0
//
// Masks from files. The format is taken from the content (magic bytes), not the name, except .smtx.
//
//   .npy   dense 2-D array, bool / integer / float of up to 8 bytes, C or Fortran order; nonzero = in the mask
//   .npz   of SciPy's save_npz (csr, csc, bsr, coo), or with one 2-D array (stored or deflated)
//   .mtx   Matrix Market, coordinate or array, real / integer / pattern, general or symmetric
//   .smtx  DLMC text: "M, K, nnz" / row offsets / column indices
// Sparse files: stored zeros count (of bsr: every element of a stored block). csr, csc and bsr need sorted indices, coo
// and Matrix Market any order without duplicates. A Matrix Market file must end with a newline: without one, a file cut
// inside its last number would be another mask.
// Errors: kNotFound, kIo; kInvalidFile with file (and line or member) and what is wrong: truncated, NaN or inf,
// unsorted or duplicate indices, index out of range, sizes that do not fit, sizes beyond mask.h's limits; kUnsupported
// (an element type, compression or sparse format that is not listed; an archive of more than 4 GiB unpacked).
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string_view>

#include "runtime/mask.h"

namespace lacuna {

[[nodiscard]] Result<Mask> load_mask(const std::filesystem::path& path);

// The parsers behind it, on bytes in memory (also the fuzzing entry points). `name` appears in messages.
[[nodiscard]] Result<Mask> parse_npy_mask(std::span<const std::byte> bytes, std::string_view name);
[[nodiscard]] Result<Mask> parse_npz_mask(std::span<const std::byte> bytes, std::string_view name);
[[nodiscard]] Result<Mask> parse_matrix_market_mask(std::string_view text, std::string_view name);
[[nodiscard]] Result<Mask> parse_smtx_mask(std::string_view text, std::string_view name);

// Writes a mask as a dense uint8 .npy, atomically.
[[nodiscard]] Result<> store_mask_npy(const std::filesystem::path& path, const Mask& mask);
// Writes a mask as SciPy's load_npz reads it: csr, uint8 ones, not compressed; atomically.
// Errors: kIo; kUnsupported (a file of 4 GiB or more).
[[nodiscard]] Result<> store_mask_npz(const std::filesystem::path& path, const Mask& mask);
// By the name's extension: .npy or .npz. Errors: kInvalidArgument for another one; those of the two above.
[[nodiscard]] Result<> store_mask(const std::filesystem::path& path, const Mask& mask);

}  // namespace lacuna
