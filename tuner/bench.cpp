// SPDX-License-Identifier: Apache-2.0
#include "tuner/bench.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "runtime/engine.h"
#include "runtime/mask.h"
#include "runtime/planner.h"
#include "targets/base/fields.h"
#include "targets/base/result.h"
#include "templates/format.h"
#include "templates/problem.h"
#include "tuner/baseline.h"
#include "tuner/clock.h"
#include "tuner/measurer.h"
#include "tuner/probe/loops.h"
#include "tuner/trial.h"

namespace lacuna {
namespace {

// Several calls a sample: the baselines have pushed the operands out, and one untimed call does not bring all of them
// back.
constexpr double kSampleSeconds = 1e-3;

// A baseline with the operands of its product.
struct LoadedBaseline {
  SgemmBaseline library;
  GemmCall call;
};

// A dense: the trial's weights where the mask is, zero elsewhere.
Result<ElementBuffer> make_dense_weights(const Mask& mask) {
  LACUNA_TRY(ElementBuffer a, ElementBuffer::make(DType::kF32, mask.m() * mask.k()));
  for (std::int64_t i = 0; i < mask.m(); ++i)
    for (std::int64_t j = 0; j < mask.k(); ++j)
      a.floats()[i * mask.k() + j] = mask.at(i, j) ? trial_weight(i, j) : 0.0F;
  return a;
}

// Fits the libraries' 32-bit sizes, and is not empty.
bool fits_baselines(const Problem& problem, std::int64_t n) {
  const auto most = static_cast<std::int64_t>(std::numeric_limits<std::int32_t>::max());
  return std::min({problem.m, problem.k, n}) > 0 && std::max({problem.m, problem.k, n}) <= most;
}

// The dense products with their own operands, f32 whatever the problem's types.
struct Baselines {
  std::optional<Trial> trial;  // of the problem without epilogue and accumulate
  ElementBuffer dense_a;
  std::vector<LoadedBaseline> loaded;
};

Result<LoadedBaseline> load_baseline(GemmLibrary library, std::int32_t threads, Trial& trial,
                                     const ElementBuffer& dense_a) {
  LACUNA_TRY(SgemmBaseline opened, SgemmBaseline::open(library, threads));
  const Operands sparse = trial.operands(dense_a);
  const DenseOperands dense{dense_a.floats(), static_cast<const float*>(sparse.b), sparse.ldb,
                            static_cast<float*>(sparse.c), sparse.ldc};
  const GemmCall call = make_gemm_call(trial.problem(), trial.n(), dense);
  opened.run(call);
  if (auto right = trial.check_dense(dense_a.floats()); !right)
    return add_context(opened.version(), std::move(right).error());
  return LoadedBaseline{std::move(opened), call};
}

Result<Baselines> load_baselines(const PlanRequest& request, BenchResult& result) {
  Problem plain = request.problems.front();
  plain.epilogue = {};
  plain.accumulate = false;
  plain.types = ElementTypes::kF32;
  Baselines all;
  LACUNA_TRY(Trial trial, Trial::make(*request.mask, plain));
  LACUNA_TRY(all.dense_a, make_dense_weights(*request.mask));
  for (const GemmLibrary library : {GemmLibrary::kOpenBlas, GemmLibrary::kOneDnn}) {
    BaselineResult entry;
    entry.name = to_text(library);
    auto loaded = load_baseline(library, request.threads, trial, all.dense_a);
    if (loaded) {
      entry.name = loaded->library.version();
      all.loaded.push_back(std::move(loaded).value());
    } else if (loaded.error().code == ErrorCode::kUnsupported) {
      entry.missing = loaded.error().message;
    } else {
      return tl::unexpected(loaded.error());
    }
    result.baselines.push_back(std::move(entry));
  }
  all.trial = std::move(trial);  // its buffers, which the calls point into, stay where they are
  return all;
}

void fill_result(BenchResult& result, const Samples& samples, const PlanRequest& request,
                 std::int64_t n, double peak_flops) {
  result.interrupted = samples.interrupted;
  result.samples = static_cast<std::int32_t>(samples.seconds.front().size());
  result.seconds = samples.minimum(0);
  const double flops = 2.0 * static_cast<double>(request.mask->nnz()) * static_cast<double>(n);
  result.gflops = result.seconds > 0 ? flops / result.seconds * 1e-9 : 0;
  std::size_t next = 1;
  for (BaselineResult& baseline : result.baselines) {
    if (!baseline.missing.empty()) continue;
    baseline.seconds = samples.minimum(next);
    baseline.speedup = result.seconds > 0 ? baseline.seconds / result.seconds : 0;
    baseline.speedup_paired = samples.paired_ratio(next, 0);
    ++next;
  }
  if (peak_flops == 0) return;
  result.peak_gflops = peak_flops / samples.yardstick_minimum(0) * 1e-9;
  result.percent_of_peak = 100 * result.gflops / result.peak_gflops / request.threads;
  result.percent_of_peak_paired =
      100 * samples.ratio_to_yardstick(0) * flops / peak_flops / request.threads;
}

}  // namespace

Result<BenchResult> bench_plan(Engine& engine, Clock& clock, const PlanRequest& request,
                               const Plan& plan, const BenchOptions& options) {
  PlanRequest single = request;
  single.problems.resize(1);
  Plan first = plan;
  first.schedules.resize(1);
  LACUNA_TRY(const auto bound, ExecutablePlan::create(engine, single, first));
  LACUNA_TRY(Trial trial, Trial::make(*single.mask, single.problems.front()));
  if (auto right = trial.check(*bound, 0); !right)
    return add_context(bound->kernel_name_of(0), std::move(right).error());
  LACUNA_TRY(const ElementBuffer values, trial.make_values(bound->structure()));

  BenchResult result;
  result.kernel = bound->kernel_name_of(0);
  result.format = to_text(first.format);
  result.provenance = to_text(first.provenance);
  result.threads = single.threads;
  Baselines baselines;
  if (options.baselines && fits_baselines(single.problems.front(), trial.n())) {
    LACUNA_TRY(baselines, load_baselines(single, result));
  }
  std::vector<TimedCall> calls;
  calls.emplace_back([&bound, operands = trial.operands(values)] {
    static_cast<void>(bound->execute(0, operands));  // the same call has just succeeded
  });
  for (const LoadedBaseline& baseline : baselines.loaded)
    calls.emplace_back([&baseline] { baseline.library.run(baseline.call); });
  const RegisterLoop peak = make_peak_loop(single.problems.front().types, engine.target());

  MeasureOptions measure;
  measure.sample_s = kSampleSeconds;
  if (options.peak) measure.yardstick = [&peak] { peak.run(kPeakSteps); };
  measure.rounds = options.rounds;
  measure.budget_s = options.budget_s;
  measure.stop = options.stop;
  const Samples samples = measure_interleaved(clock, calls, measure);
  for (const auto& seconds : samples.seconds)
    if (seconds.empty())
      return make_error(ErrorCode::kInterrupted, "interrupted before every candidate was measured");
  result.peak_instruction = peak.instruction;
  fill_result(result, samples, single, trial.n(),
              options.peak ? peak.work_per_step * kPeakSteps : 0);
  return result;
}

}  // namespace lacuna
