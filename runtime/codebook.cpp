// SPDX-License-Identifier: Apache-2.0
#include "runtime/codebook.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "targets/base/fields.h"
#include "targets/base/result.h"
#include "templates/element_types.h"
#include "templates/problem.h"

namespace lacuna {
namespace {

// The weights other than zero, sorted, with sums of the first ones.
struct Sorted {
  std::vector<float> weights;
  std::vector<double> sums;  // sums[i]: of the first i
};

Result<Sorted> sort_weights(std::span<const float> weights) {
  Sorted sorted;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    if (!std::isfinite(weights[i]))
      return make_error(ErrorCode::kInvalidArgument, "weight {} is {}, not a finite number", i,
                        weights[i]);
    if (weights[i] != 0) sorted.weights.push_back(weights[i]);
  }
  std::ranges::sort(sorted.weights);
  sorted.sums.reserve(sorted.weights.size() + 1);
  sorted.sums.push_back(0);
  for (const float weight : sorted.weights)
    sorted.sums.push_back(sorted.sums.back() + weight);
  return sorted;
}

std::vector<float> distinct_weights(const Sorted& sorted) {
  std::vector<float> distinct = sorted.weights;
  const auto rest = std::ranges::unique(distinct);
  distinct.erase(rest.begin(), rest.end());
  return distinct;
}

// `most` of the distinct weights, the least and the largest among them.
std::vector<float> spread_over(const std::vector<float>& distinct, std::size_t most) {
  std::vector<float> chosen;
  for (std::size_t i = 0; i < most; ++i)
    chosen.push_back(distinct[i * (distinct.size() - 1) / (most - 1)]);
  return chosen;
}

// The weight from which on the entry `next` is nearer than `entry` before it.
double middle(float entry, float next) {
  return 0.5 * (static_cast<double>(entry) + static_cast<double>(next));
}

// Moves each entry to the mean of the weights that are nearest to it; false where that changed none.
bool move_to_means(const Sorted& sorted, std::vector<float>& entries) {
  const std::vector<float> before = entries;
  auto begin = sorted.weights.begin();
  for (std::size_t e = 0; e < entries.size(); ++e) {
    const auto end = e + 1 == entries.size() ? sorted.weights.end()
                                             : std::lower_bound(begin, sorted.weights.end(),
                                                                middle(before[e], before[e + 1]));
    const auto first = static_cast<std::size_t>(begin - sorted.weights.begin());
    const auto last = static_cast<std::size_t>(end - sorted.weights.begin());
    if (last > first)
      entries[e] = static_cast<float>((sorted.sums[last] - sorted.sums[first]) /
                                      static_cast<double>(last - first));
    begin = end;
  }
  return entries != before;
}

// Weights that all fit are entries as they are: the mean of equal numbers, by differences of sums, need not be that
// number.
std::vector<float> nonzero_entries(const Sorted& sorted, std::size_t most) {
  std::vector<float> distinct = distinct_weights(sorted);
  if (distinct.size() <= most) return distinct;
  std::vector<float> entries = spread_over(distinct, most);
  constexpr int kMostRounds = 100;
  for (int round = 0; round < kMostRounds && move_to_means(sorted, entries); ++round) {
  }
  return entries;
}

std::size_t nearest(const std::vector<float>& entries, float weight) {
  const auto above = std::ranges::lower_bound(entries, weight);
  const auto at = static_cast<std::size_t>(above - entries.begin());
  if (above == entries.end()) return at - 1;
  return at > 0 && weight < middle(entries[at - 1], *above) ? at - 1 : at;
}

}  // namespace

Result<Codebook> make_codebook(std::span<const float> weights, int bits) {
  if (bits < kLeastCodebookBits || bits > kMostCodebookBits)
    return make_error(ErrorCode::kInvalidArgument, "bits {} is not in [{}, {}]", bits,
                      kLeastCodebookBits, kMostCodebookBits);
  LACUNA_TRY(const Sorted sorted, sort_weights(weights));
  const std::size_t size = std::size_t{1} << bits;
  const std::vector<float> entries = nonzero_entries(sorted, size - 1);
  Codebook codebook;
  codebook.entries.assign(size, 0.0F);
  std::ranges::copy(entries, codebook.entries.begin() + 1);
  codebook.indices.reserve(weights.size());
  for (const float weight : weights)
    codebook.indices.push_back(
        weight == 0 ? std::uint8_t{0} : static_cast<std::uint8_t>(nearest(entries, weight) + 1));
  return codebook;
}

Result<> check_indices(const Problem& problem, const void* values, std::int64_t count) {
  if (!has_codebook(problem.types)) return {};
  const std::int32_t entries = codebook_entries(problem.types);
  const std::span indices(static_cast<const std::uint8_t*>(values),
                          static_cast<std::size_t>(count));
  const auto bad = std::ranges::find_if(indices, [&](int index) { return index >= entries; });
  if (bad == indices.end()) return {};
  return make_error(ErrorCode::kInvalidArgument,
                    "value {} is index {}, the codebook of {} has {} entries",
                    bad - indices.begin(), *bad, to_text(problem.types), entries);
}

}  // namespace lacuna
