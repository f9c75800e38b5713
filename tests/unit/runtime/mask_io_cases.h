// SPDX-License-Identifier: Apache-2.0
//
// What the tests of the mask readers share: parsers by one signature, and how errors are checked.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "runtime/mask_io.h"
#include "tests/unit/runtime/archive_builder.h"

namespace lacuna {

using Elements = std::vector<std::pair<std::int64_t, std::int64_t>>;

inline Mask mask_of(std::int64_t m, std::int64_t k, const Elements& elements) {
  auto builder = MaskBuilder::create(m, k).value();
  for (const auto& [row, col] : elements)
    builder.insert(row, col);
  return std::move(builder).finish();
}

inline std::string error_of(const Result<Mask>& result, ErrorCode code = ErrorCode::kInvalidFile) {
  if (result) return "no error";
  EXPECT_EQ(result.error().code, code) << result.error().message;
  return result.error().message;
}

inline Result<Mask> parse_npy_text(std::string_view text) {
  return parse_npy_mask(bytes_of(text), "a.npy");
}
inline Result<Mask> parse_npz_text(std::string_view text) {
  return parse_npz_mask(bytes_of(text), "a.npz");
}
inline Result<Mask> parse_mtx_text(std::string_view text) {
  return parse_matrix_market_mask(text, "a.mtx");
}
inline Result<Mask> parse_smtx_text(std::string_view text) {
  return parse_smtx_mask(text, "a.smtx");
}

using Parser = Result<Mask> (*)(std::string_view);

// Every prefix of a valid file, up to `whole` bytes (exclusive), is an error and not a mask.
inline void expect_prefixes_fail(Parser parse, std::string_view file, std::size_t whole) {
  ASSERT_TRUE(parse(file)) << parse(file).error().message;
  for (std::size_t size = 0; size < whole; ++size) {
    // A copy of exactly this size, so that a read beyond it is caught by the sanitizer.
    const std::vector<char> prefix(file.begin(), file.begin() + static_cast<std::ptrdiff_t>(size));
    const auto mask = parse({prefix.data(), prefix.size()});
    ASSERT_FALSE(mask) << size << " of " << file.size() << " bytes";
    ASSERT_FALSE(mask.error().message.empty());
  }
}

}  // namespace lacuna
