// SPDX-License-Identifier: Apache-2.0
//
// `lacuna prune`: an N:M mask file from dense weights.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "runtime/dense_io.h"
#include "runtime/mask.h"
#include "runtime/mask_io.h"
#include "runtime/nm_pattern.h"
#include "targets/base/result.h"
#include "tuner/cli/output.h"
#include "tuner/cli/request.h"
#include "tuner/cli/verbs.h"

namespace lacuna::cli {
namespace {

struct PruneOptions {
  std::string weights;
  std::string pattern;
  std::int32_t vector = 1;
  std::string output;
};

// The share of all weights' magnitudes that the mask keeps; 1 if there are none.
double kept_share(const DenseMatrix& dense, const Mask& mask) {
  double kept = 0;
  double all = 0;
  for (std::int64_t i = 0; i < dense.m; ++i)
    for (std::int64_t j = 0; j < dense.k; ++j) {
      const double magnitude = std::abs(dense.data[static_cast<std::size_t>(i * dense.k + j)]);
      all += magnitude;
      if (mask.at(i, j)) kept += magnitude;
    }
  return all > 0 ? kept / all : 1.0;
}

Result<NmPattern> pattern_of(const PruneOptions& options) {
  auto pattern = parse_nm_pattern(options.pattern);
  if (!pattern) return add_context("--pattern", std::move(pattern).error());
  if (options.vector < 1)
    return make_error(ErrorCode::kInvalidArgument, "--vector {} is not positive", options.vector);
  pattern->v = options.vector;
  return pattern;
}

Result<> run_prune(const PruneOptions& options, const Context& context) {
  LACUNA_TRY(const NmPattern pattern, pattern_of(options));
  LACUNA_TRY(const DenseMatrix dense, load_dense_npy(options.weights));
  auto mask = prune_to_n_of_m(dense.data, dense.m, dense.k, dense.k, pattern);
  if (!mask) return add_context(options.weights, std::move(mask).error());
  LACUNA_TRY_VOID(store_mask(options.output, *mask));
  const double kept = kept_share(dense, *mask);
  context.output.print(fmt::format("weights   {}: {} x {}", options.weights, dense.m, dense.k));
  context.output.print(fmt::format("mask      {}: {}", options.output, mask_text(*mask)));
  context.output.print(fmt::format("kept      {:.1f} % of the weights' magnitude", kept * 100));
  context.output.print_json({{"weights", options.weights},
                             {"output", options.output},
                             {"n", pattern.n},
                             {"m", pattern.m},
                             {"v", pattern.v},
                             {"rows", dense.m},
                             {"columns", dense.k},
                             {"nonzeros", mask->nnz()},
                             {"density", mask->density()},
                             {"kept_magnitude", kept}});
  return {};
}

}  // namespace

void add_prune_verb(Registry& registry) {
  const auto options = std::make_shared<PruneOptions>();
  CLI::App& verb = registry.add({
      .name = "prune",
      .summary = "make an N:M mask from dense weights: the largest N of every M columns of a row",
      .example = "  lacuna prune --weights weights.npy --pattern 2:4 --output mask.npz\n"
                 "  lacuna prune --weights weights.npy --pattern 2:8 --vector 16 --output mask.npy",
      .action = [options](Context& context) { return run_prune(*options, context); },
  });
  verb.add_option("--weights", options->weights, "dense 2-D weights, .npy")->required();
  verb.add_option("--pattern", options->pattern, "N:M, e.g. 2:4; M up to 32")->required();
  verb.add_option("--vector", options->vector, "rows that share their choice (V:N:M)")
      ->capture_default_str();
  verb.add_option("-o,--output", options->output, "mask file: .npy (dense) or .npz (SciPy, csr)")
      ->required();
}

}  // namespace lacuna::cli
