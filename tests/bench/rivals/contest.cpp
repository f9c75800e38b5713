// SPDX-License-Identifier: Apache-2.0
#include "tests/bench/rivals/contest.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <fmt/format.h>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "runtime/engine.h"
#include "runtime/mask.h"
#include "runtime/planner.h"
#include "targets/base/result.h"
#include "templates/format.h"
#include "templates/problem.h"
#include "tests/bench/rivals/python_rivals.h"
#include "tests/bench/rivals/rival.h"
#include "tests/bench/rivals/rival_case.h"
#include "tuner/bench.h"
#include "tuner/cli/request.h"
#include "tuner/clock.h"
#include "tuner/measurer.h"
#include "tuner/probe/loops.h"
#include "tuner/trial.h"
#include "tuner/tuner.h"

namespace lacuna {
namespace {

// Several calls a sample: the others have pushed the operands out of the inner caches, and one untimed call does not
// bring all of them back.
constexpr double kSampleSeconds = 1e-3;

// A once more, as rivals want it.
struct Weights {
  ElementBuffer dense;
  std::vector<std::int32_t> row_ptr{0}, col_idx;
  std::vector<float> values;
};

Result<Weights> make_weights(const Mask& mask) {
  Weights a;
  LACUNA_TRY(a.dense, ElementBuffer::make(DType::kF32, mask.m() * mask.k()));
  for (std::int64_t i = 0; i < mask.m(); ++i) {
    for_each_in_row(mask, i, [&](std::int64_t j) {
      const float value = trial_weight(i, j);
      a.dense.floats()[i * mask.k() + j] = value;
      a.col_idx.push_back(static_cast<std::int32_t>(j));
      a.values.push_back(value);
    });
    a.row_ptr.push_back(static_cast<std::int32_t>(a.col_idx.size()));
  }
  return a;
}

RivalCase make_case(const ContestCase& contest, const Weights& a, const Operands& operands) {
  const Problem& p = contest.problem;
  RivalCase product{};
  product.m = p.m;
  product.k = p.k;
  product.n = p.n;
  product.column_major = p.layout_c == Layout::kColMajor ? 1 : 0;
  product.block_r = contest.block_r;
  product.block_c = contest.block_c;
  product.dense_a = a.dense.floats();
  product.row_ptr = a.row_ptr.data();
  product.col_idx = a.col_idx.data();
  product.values = a.values.data();
  product.b = static_cast<const float*>(operands.b);
  product.c = static_cast<float*>(operands.c);
  return product;
}

// So that an element that is not written is found.
void spoil(const RivalCase& product) {
  std::fill_n(product.c, product.m * product.n, std::numeric_limits<float>::quiet_NaN());
}

const char* kind_of(bool dense) {
  return dense ? "dense" : "sparse";
}

// The rivals of one case that compute the right numbers: ours by call, Python's by number.
struct Field {
  std::vector<TimedCall> calls;  // the first one is Lacuna's
  std::vector<std::size_t> call_rows, python_rows,
      python_numbers;  // rows: in ContestResult::rivals
};

Result<TimedCall> prepare_and_check(const Rival& rival, const RivalCase& product,
                                    const Trial& trial) {
  if (!rival.missing.empty()) return make_error(ErrorCode::kUnsupported, "{}", rival.missing);
  LACUNA_TRY(TimedCall call, rival.prepare(product));
  spoil(product);
  call();
  LACUNA_TRY_VOID(trial.check_dense(nullptr));
  return call;
}

void add_own_process(const std::vector<Rival>& rivals, const RivalCase& product, const Trial& trial,
                     const ContestOptions& options, Field& field, ContestResult& result) {
  for (const Rival& rival : rivals) {
    if (!options.wants(rival.name)) continue;
    auto call = prepare_and_check(rival, product, trial);
    result.rivals.push_back({rival.name, kind_of(rival.dense), "same", "", 0, 0, 0});
    if (!call) {
      result.rivals.back().missing = call.error().message;
      continue;
    }
    field.call_rows.push_back(result.rivals.size() - 1);
    field.calls.push_back(std::move(call).value());
  }
}

// Why the Python rival cannot be measured; empty if it can.
std::string check_python(PythonRivals& python, std::size_t number, const RivalCase& product,
                         const Trial& trial) {
  spoil(product);
  if (auto computed = python.compute(number); !computed) return computed.error().message;
  if (auto right = trial.check_dense(nullptr); !right) return right.error().message;
  return "";
}

void add_python(PythonRivals& python, const RivalCase& product, const Trial& trial,
                const ContestOptions& options, Field& field, ContestResult& result) {
  const auto reasons = python.prepare(product);
  for (std::size_t i = 0; i < python.rivals().size(); ++i) {
    const auto& rival = python.rivals()[i];
    if (!options.wants(rival.name)) continue;
    std::string missing = rival.missing;
    if (missing.empty() && !reasons) missing = reasons.error().message;
    if (missing.empty()) missing = (*reasons)[i];
    if (missing.empty()) missing = check_python(python, i, product, trial);
    result.rivals.push_back({rival.name, kind_of(false), "python", missing, 0, 0, 0});
    if (!missing.empty()) continue;
    field.python_rows.push_back(result.rivals.size() - 1);
    field.python_numbers.push_back(i);
  }
}

// Samples of all: of this process, then of Python's rivals, taken after each round.
Samples measure(PythonRivals& python, const Field& field, const RegisterLoop& peak,
                const ContestOptions& options) {
  std::vector<std::vector<double>> of_python(field.python_numbers.size());
  MeasureOptions measure;
  measure.sample_s = kSampleSeconds;
  measure.yardstick = [&peak] { peak.run(kPeakSteps); };
  measure.rounds = options.rounds;
  measure.budget_s = options.budget_s;
  measure.after_round = [&](std::int32_t) {
    for (std::size_t i = 0; i < of_python.size(); ++i)
      if (const auto seconds = python.sample(field.python_numbers[i], kSampleSeconds))
        of_python[i].push_back(*seconds);
  };
  SteadyClock clock;
  Samples samples = measure_interleaved(clock, field.calls, measure);
  for (auto& seconds : of_python)
    samples.seconds.push_back(std::move(seconds));
  return samples;
}

void fill_result(const Samples& samples, const Field& field, double flops, double peak_flops,
                 ContestResult& result) {
  result.samples = static_cast<std::int32_t>(samples.seconds.front().size());
  result.seconds = samples.minimum(0);
  result.gflops = flops / result.seconds * 1e-9;
  result.peak_gflops = peak_flops / samples.yardstick_minimum(0) * 1e-9;
  result.percent_of_peak = 100 * result.gflops / result.peak_gflops;
  result.percent_of_peak_paired = 100 * samples.ratio_to_yardstick(0) * flops / peak_flops;
  std::vector<std::size_t> rows = field.call_rows;
  rows.insert(rows.end(), field.python_rows.begin(), field.python_rows.end());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    RivalResult& rival = result.rivals[rows[i]];
    rival.seconds = samples.minimum(i + 1);
    rival.speedup = rival.seconds / result.seconds;
    rival.speedup_paired = samples.paired_ratio(i + 1, 0);
  }
}

Result<Mask> make_mask(const ContestCase& contest) {
  const Problem& p = contest.problem;
  return cli::make_random_mask(fmt::format("{}x{}:{}", p.m, p.k, contest.pattern));
}

PlanRequest make_request(const Engine& engine, const Mask& mask, const Problem& problem) {
  PlanRequest request;
  request.mask = &mask;
  request.problems = {problem};
  request.target = engine.target();
  return request;
}

}  // namespace

std::string ContestCase::name() const {
  return fmt::format("{}_{}_{}x{}x{}", pattern,
                     problem.layout_c == Layout::kRowMajor ? "row" : "col", problem.m, problem.n,
                     problem.k);
}

bool ContestOptions::wants(const std::string& rival) const {
  return rivals.empty() || std::ranges::any_of(rivals, [&](const std::string& part) {
           return rival.find(part) != std::string::npos;
         });
}

const RivalResult* ContestResult::strongest(const std::string& kind) const {
  const RivalResult* found = nullptr;
  for (const RivalResult& rival : rivals)
    if (rival.missing.empty() && (kind.empty() || rival.kind == kind) &&
        (found == nullptr || rival.speedup_paired < found->speedup_paired))
      found = &rival;
  return found;
}

bool ContestResult::ahead_of_all() const {
  const RivalResult* const rival = strongest();
  return rival == nullptr || rival->speedup_paired > 1;
}

Result<ContestResult> run_contest(Engine& engine, const ContestCase& contest,
                                  const std::vector<Rival>& rivals, PythonRivals& python,
                                  const ContestOptions& options) {
  LACUNA_TRY(const Mask mask, make_mask(contest));
  const PlanRequest request = make_request(engine, mask, contest.problem);
  SteadyClock clock;
  LACUNA_TRY(const TuneOutcome tuned, tune(engine, clock, request, nullptr, options.tune));
  LACUNA_TRY(const auto plan, ExecutablePlan::create(engine, request, tuned.plan));
  LACUNA_TRY(Trial trial, Trial::make(mask, contest.problem));
  LACUNA_TRY_VOID(trial.check(*plan, 0));
  LACUNA_TRY(const ElementBuffer values, trial.make_values(plan->structure()));
  LACUNA_TRY(const Weights weights, make_weights(mask));
  const Operands operands = trial.operands(values);
  const RivalCase product = make_case(contest, weights, operands);

  ContestResult result;
  result.kernel = plan->kernel_name_of(0);
  result.format = to_text(tuned.plan.format);
  result.density = mask.density();
  Field field;
  field.calls.emplace_back([&plan, operands] {
    static_cast<void>(plan->execute(0, operands));  // the same call has just succeeded
  });
  add_own_process(rivals, product, trial, options, field, result);
  add_python(python, product, trial, options, field, result);
  const RegisterLoop peak = make_fma_f32_loop(engine.target());
  const Samples samples = measure(python, field, peak, options);
  const double flops =
      2.0 * static_cast<double>(mask.nnz()) * static_cast<double>(contest.problem.n);
  fill_result(samples, field, flops, peak.work_per_step * kPeakSteps, result);
  return result;
}

}  // namespace lacuna
