// SPDX-License-Identifier: Apache-2.0
//
// Codebooks: weights as indices into a table of a few numbers (templates/element_types.h), made by k-means.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "targets/base/dtype.h"
#include "targets/base/result.h"
#include "templates/problem.h"

namespace lacuna {

struct Codebook {
  std::vector<float>
      entries;  // 2^bits; the first is 0, the used ones after it ascend, the rest are 0
  std::vector<std::uint8_t> indices;  // of the weights, in their order
};

inline constexpr int kLeastCodebookBits = 4, kMostCodebookBits = 8;

// Index 0 for zeros; for the others k-means of one dimension (Lloyd, "Least Squares Quantization in PCM", 1982) over their
// values, to the end or for 100 rounds. It starts from numbers spread evenly over the sorted distinct values, so the
// result depends on nothing but the values; with fewer than 2^bits distinct ones it is exact.
// Costs a sort of the weights. Errors: kInvalidArgument (bits outside [4, 8]; a weight that is not finite, with its number).
[[nodiscard]] Result<Codebook> make_codebook(std::span<const float> weights, int bits);

// Whether the values of the problem's type are indices of its codebook; anything goes for problems without one.
// Errors: kInvalidArgument, naming the first index that is none.
[[nodiscard]] Result<> check_indices(const Problem& problem, const void* values,
                                     std::int64_t count);

}  // namespace lacuna
