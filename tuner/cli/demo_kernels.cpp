// SPDX-License-Identifier: Apache-2.0
#include "tuner/cli/demo_kernels.h"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "runtime/c_structs.h"
#include "runtime/engine.h"
#include "runtime/mask.h"
#include "runtime/planner.h"
#include "runtime/trainer/layer.h"
#include "targets/base/result.h"
#include "templates/problem.h"
#include "tuner/baseline.h"
#include "tuner/bench.h"
#include "tuner/clock.h"
#include "tuner/measurer.h"
#include "tuner/probe/loops.h"

namespace lacuna::cli {
namespace {

constexpr std::int32_t kRounds = 9;
constexpr double kBudgetS = 1;

std::string operation_name(Op op) {
  switch (op) {
    case Op::kSpmm:
      return "forward";
    case Op::kSpmmTransposed:
      return "input gradient";
    case Op::kSddmm:
      return "weight gradient";
  }
  return "";
}

// The mask gives the sizes.
Result<std::vector<Problem>> make_layer_problems(const trainer::LayerShape& shape,
                                                 const Mask& mask) {
  const auto problems = trainer::layer_problems(shape);
  return make_problems(problems.data(), problems.size(), mask);
}

}  // namespace

Result<LayerRequest> make_layer_request(const Engine& engine, const trainer::LayerShape& shape) {
  const trainer::BlockMask& blocks = shape.mask;
  LACUNA_TRY(Mask mask, Mask::from_blocks(blocks.m, blocks.k, blocks.r, blocks.c, blocks.flags));
  LayerRequest layer;
  layer.mask = std::make_unique<const Mask>(std::move(mask));
  layer.request.mask = layer.mask.get();
  LACUNA_TRY(layer.request.problems, make_layer_problems(shape, *layer.mask));
  layer.request.padding = Padding::kExact;
  layer.request.target = engine.target();
  layer.request.threads = engine.threads();
  return layer;
}

Result<std::vector<KernelRate>> measure_lacuna_layer(Engine& engine, Clock& clock,
                                                     const trainer::LayerShape& shape,
                                                     const std::atomic<bool>* stop) {
  LACUNA_TRY(const LayerRequest layer, make_layer_request(engine, shape));
  LACUNA_TRY(const Plan plan, engine.planner().plan(layer.request));
  BenchOptions options;
  options.rounds = kRounds;
  options.budget_s = kBudgetS;
  options.baselines = false;
  options.stop = stop;
  std::vector<KernelRate> rates;
  for (std::size_t p = 0; p < layer.request.problems.size(); ++p) {
    PlanRequest single = layer.request;
    single.problems = {layer.request.problems[p]};
    const Plan of_problem{plan.format, {plan.schedules[p]}, plan.provenance};
    LACUNA_TRY(const BenchResult result, bench_plan(engine, clock, single, of_problem, options));
    rates.push_back({operation_name(single.problems[0].op), result.kernel, result.seconds,
                     result.gflops, result.percent_of_peak});
  }
  return rates;
}

Result<std::vector<KernelRate>> measure_dense_layer(Engine& engine, Clock& clock,
                                                    const trainer::LayerShape& shape,
                                                    const std::atomic<bool>* stop) {
  LACUNA_TRY(const SgemmBaseline blas,
             SgemmBaseline::open(GemmLibrary::kOpenBlas, engine.threads()));
  const auto count = [](std::int64_t rows, std::int64_t columns) {
    return static_cast<std::size_t>(rows * columns);
  };
  const std::int64_t n = shape.batch;
  std::vector<float> a(count(shape.mask.m, shape.mask.k), 1);
  std::vector<float> outputs(count(shape.mask.m, n), 1);
  std::vector<float> inputs(count(shape.mask.k, n), 1);
  std::vector<TimedCall> calls;
  LACUNA_TRY(const MaskBuilder sizes, MaskBuilder::create(shape.mask.m, shape.mask.k));
  LACUNA_TRY(const std::vector<Problem> problems, make_layer_problems(shape, sizes.mask()));
  for (const Problem& problem : problems) {
    const bool forward = problem.op == Op::kSpmm;
    const DenseOperands operands{a.data(), forward ? inputs.data() : outputs.data(), n,
                                 forward ? outputs.data() : inputs.data(), n};
    calls.emplace_back([&blas, call = make_gemm_call(problem, n, operands)] { blas.run(call); });
  }
  const RegisterLoop peak = make_fma_f32_loop(engine.target());

  MeasureOptions options;
  options.yardstick = [&peak] { peak.run(kPeakSteps); };
  options.rounds = kRounds;
  options.budget_s = kBudgetS;
  options.stop = stop;
  const Samples samples = measure_interleaved(clock, calls, options);
  for (const auto& seconds : samples.seconds)
    if (seconds.empty())
      return make_error(ErrorCode::kInterrupted, "interrupted while measuring sgemm");
  const double flops = 2.0 * static_cast<double>(shape.mask.m) * static_cast<double>(shape.mask.k) *
                       static_cast<double>(n);
  std::vector<KernelRate> rates;
  for (std::size_t p = 0; p < problems.size(); ++p) {
    const double seconds = samples.minimum(p);
    const double peak_flops_per_s =
        peak.work_per_step * kPeakSteps / samples.yardstick_minimum(p) * engine.threads();
    rates.push_back({operation_name(problems[p].op), blas.version() + " sgemm", seconds,
                     flops / seconds * 1e-9, 100 * flops / seconds / peak_flops_per_s});
  }
  return rates;
}

}  // namespace lacuna::cli
