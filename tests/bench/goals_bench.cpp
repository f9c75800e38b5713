// SPDX-License-Identifier: Apache-2.0
//
// The speed goals of block-sparse kernels on one core: percent of the peak of the types' instruction and speed-up over
// dense OpenBLAS and oneDNN, for each operation, layout, shape, block shape, type and density. Every kernel is the fastest of all
// schedules of its format, raced here; kernel and baselines are timed in the same rounds, the peak loop right beside
// each sample, because the clock rate of the moment differs. The bytes of the operands stand beside the figures: where
// they exceed L2, a call also waits for what lies behind it.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <fmt/format.h>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "runtime/engine.h"
#include "runtime/mask.h"
#include "runtime/planner.h"
#include "targets/base/dtype.h"
#include "targets/base/fields.h"
#include "targets/base/result.h"
#include "targets/host.h"
#include "templates/element_types.h"
#include "templates/format.h"
#include "templates/kernel_spec.h"
#include "templates/problem.h"
#include "templates/schedule.h"
#include "tests/bench/bench_output.h"
#include "tuner/bench.h"
#include "tuner/tuner.h"

namespace lacuna {
namespace {

// Percent of the peak: of layers whose operands L2 or L3 hold, dense and sparse ones; of large ones.
constexpr double kDenseGoal = 96;
constexpr double kSparseGoal = 90;
constexpr double kLargeGoal = 93;
constexpr double kSddmmGoal = 92;
constexpr double kSparseDensity = 0.1;  // below it a mask is sparse here
constexpr std::int64_t kLargeWeights = std::int64_t{4096} * 4096;
constexpr double kSpeedupGoal = 0.95;  // times 1 / density
constexpr double kSpreadGoal = 1.1;    // fastest over slowest of the three operations on one mask
constexpr std::uint64_t kSeed = 1;

struct Case {
  Bsr format;
  Problem problem;
  double density = 0.1;

  // Block shape, layout, size and density: what the three operations share.
  [[nodiscard]] std::string mask_name() const {
    const std::string types =
        problem.types == ElementTypes::kF32 ? "" : fmt::format("{}_", to_text(problem.types));
    return fmt::format("{}_{}{}_{}x{}x{}_d{:g}", to_text(Format{format}), types,
                       problem.layout_c == Layout::kRowMajor ? "row" : "col", problem.m, problem.n,
                       problem.k, density);
  }
  [[nodiscard]] double percent_goal() const {
    if (problem.op == Op::kSddmm) return kSddmmGoal;
    if (problem.m * problem.k >= kLargeWeights) return kLargeGoal;
    return density < kSparseDensity ? kSparseGoal : kDenseGoal;
  }
  [[nodiscard]] std::string name() const {
    return fmt::format("{}_{}", to_text(problem.op), mask_name());
  }
};

struct CaseResult {
  BenchResult bench;
  double density = 0;              // of the mask: whole blocks round the wanted one
  std::int64_t operand_bytes = 0;  // values, B and C
  std::size_t schedules = 0;       // that were built and raced
};

// Paired percent of peak by block shape, layout and density, of each operation. Seconds would not do: the operations
// are measured one after the other, and the machine's speed drifts.
using RatesByMask = std::map<std::string, std::vector<double>>;

struct Options {
  std::vector<std::string> shapes = {"1024x1024"};  // MxK
  std::vector<std::int64_t> n = {64, 256};
  std::vector<double> densities = {0.02, 0.1, 0.5};
  std::vector<std::string> formats = {"bsr16x16", "bsr4x4", "bsr16x1"};
  std::vector<std::string> ops = {"spmm", "spmm_transposed", "sddmm"};
  std::string types = "f32";
  double tune_budget_s = 5;
  std::int32_t rounds = 25;
};

// The layouts and numbers of columns of one operation, mask and format.
void add_cases(const Options& options, const Case& mask, std::vector<Case>& cases) {
  for (const std::int64_t n : options.n)
    for (const Layout layout : {Layout::kRowMajor, Layout::kColMajor}) {
      Case c = mask;
      c.problem.n = n;
      c.problem.layout_b = c.problem.layout_c = layout;
      cases.push_back(c);
    }
}

// All but n and the layouts, from the options' words.
Result<Case> make_case(const Options& options, const std::string& op, const std::string& shape,
                       const std::string& format_name, double density) {
  LACUNA_TRY(const Format format, parse_format(format_name));
  const auto* const block = std::get_if<Bsr>(&format);
  if (block == nullptr)
    return make_error(ErrorCode::kInvalidArgument, "--formats {}: the goals are for blocks",
                      format_name);
  Case c{.format = *block, .problem = {}, .density = density};
  LACUNA_TRY(c.problem.op, parse_enum<Op>(op));
  LACUNA_TRY(c.problem.types, parse_enum<ElementTypes>(options.types));
  LACUNA_TRY(const auto size, parse_shape(shape));
  std::tie(c.problem.m, c.problem.k) = size;
  return c;
}

Result<std::vector<Case>> make_cases(const Options& options) {
  std::vector<Case> cases;
  for (const std::string& shape : options.shapes)
    for (const std::string& format : options.formats)
      for (const std::string& op : options.ops)
        for (const double density : options.densities) {
          LACUNA_TRY(const Case c, make_case(options, op, shape, format, density));
          add_cases(options, c, cases);
        }
  return cases;
}

std::size_t schedules_raced(const TuningRecord& record) {
  return static_cast<std::size_t>(std::ranges::count_if(
      record.candidates, [](const CandidateRecord& c) { return c.measured_s > 0; }));
}

Result<CaseResult> run_case(Engine& engine, const Case& c, const Options& options) {
  LACUNA_TRY(const Mask mask, make_random_block_mask(c.problem.m, c.problem.k, c.format.r,
                                                     c.format.c, c.density, kSeed));
  PlanRequest request;
  request.mask = &mask;
  request.problems = {c.problem};
  request.pinned_format = c.format;
  request.target = engine.target();
  TuneOptions tune_options;
  tune_options.rigor = Rigor::kMeasure;
  tune_options.budget_s = options.tune_budget_s;
  tune_options.top_k = 1000;  // every schedule of the format
  LACUNA_TRY(TunedBench tuned, tune_and_bench(engine, request, tune_options, options.rounds));
  const Problem& p = c.problem;
  const OperandTypes types = operand_types(p.types);
  const double bytes = static_cast<double>(p.m * p.k) * mask.density() * size_bytes(types.weights) +
                       static_cast<double>(p.k * p.n) * size_bytes(types.dense) +
                       static_cast<double>(p.m * p.n) * size_bytes(types.result);
  return CaseResult{std::move(tuned.bench), mask.density(), static_cast<std::int64_t>(bytes),
                    schedules_raced(tuned.outcome.record)};
}

// Prints the case's line and keeps its result. True if it reached both goals.
bool report(const Case& c, const CaseResult& result, BenchProgram& program) {
  const BenchResult& r = result.bench;
  const double openblas = speedup_over(r, "OpenBLAS");
  const double goal = kSpeedupGoal / result.density;
  const bool reached = r.percent_of_peak_paired >= c.percent_goal() && openblas >= goal;
  const auto parsed = parse_kernel_name(r.kernel);
  const std::string schedule = parsed ? to_text(parsed->spec.schedule) : r.kernel;
  const double mib = static_cast<double>(result.operand_bytes) / (1 << 20);
  std::printf("%-52s %-26s %9.1f %8.1f %7.1f %7.1f %6.2f %8.2fx %8.2fx%s\n", c.name().c_str(),
              schedule.c_str(), r.seconds * 1e6, r.gflops, r.percent_of_peak,
              r.percent_of_peak_paired, mib, openblas, speedup_over(r, "oneDNN"),
              reached ? "" : "  below goal");
  std::fflush(stdout);
  auto entry = to_json_value(r);
  entry["name"] = c.name();
  entry["density"] = result.density;
  entry["operand_bytes"] = result.operand_bytes;
  entry["schedules_raced"] = result.schedules;
  entry["problem"] = to_json_value(c.problem);
  entry["goal_percent_of_peak"] = c.percent_goal();
  entry["goal_speedup_over_openblas"] = goal;
  entry["reached"] = reached;
  program.results.push_back(std::move(entry));
  return reached;
}

// How far apart the three operations on one mask are.
void report_spread(const RatesByMask& rates, BenchProgram& program) {
  constexpr std::size_t kOperations = 3;
  for (const auto& [mask, percents] : rates) {
    if (percents.size() < kOperations) continue;  // the filter left some out
    const auto [slowest, fastest] = std::minmax_element(percents.begin(), percents.end());
    const double spread = *fastest / *slowest;
    std::printf("%-52s fastest / slowest operation %.2f%s\n", mask.c_str(), spread,
                spread <= kSpreadGoal ? "" : "  above goal");
    program.results.push_back({{"name", "spread_" + mask},
                               {"fastest_over_slowest_paired", spread},
                               {"goal_fastest_over_slowest", kSpreadGoal}});
  }
}

int run(int argc, char** argv) {
  CLI::App app("speed goals: percent of peak and speed-up over dense sgemm");
  BenchProgram program;
  Options options;
  program.add_options(app);
  app.add_option("--shapes", options.shapes, "MxK")->delimiter(',')->capture_default_str();
  app.add_option("--n", options.n, "dense columns")->delimiter(',')->capture_default_str();
  app.add_option("--ops", options.ops)->delimiter(',')->capture_default_str();
  app.add_option("--types", options.types, "of the elements, as `lacuna tune` takes them")
      ->capture_default_str();
  app.add_option("--densities", options.densities)->delimiter(',')->capture_default_str();
  app.add_option("--formats", options.formats)->delimiter(',')->capture_default_str();
  app.add_option("--tune-budget", options.tune_budget_s, "seconds to choose a schedule")
      ->capture_default_str();
  app.add_option("--rounds", options.rounds, "samples of each")->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  if (auto started = program.start(argc, argv); !started) return fail(started.error());
  program.conditions = fmt::format(
      "one pinned core; operands in ordinary pages, in L2 where operand_bytes fits it; kernel and "
      "rivals in {} interleaved rounds, the peak loop right before and after each sample; seconds "
      "are the interleaved minimum, percent_of_peak_paired the median ratio to the loop beside the "
      "sample; nothing discarded",
      options.rounds);

  EngineOptions engine_options;
  engine_options.threads = 1;
  auto engine = Engine::create(engine_options);
  if (!engine) return fail(engine.error());
  const auto cases = make_cases(options);
  if (!cases) return fail(cases.error());
  std::printf("%-52s %-26s %9s %8s %7s %7s %6s %9s %9s\n", "case", "schedule", "time us", "GFLOP/s",
              "% peak", "paired", "MiB", "OpenBLAS", "oneDNN");
  int missed = 0;
  int measured = 0;
  RatesByMask rates;
  for (const Case& c : *cases) {
    if (!program.wants(c.name())) continue;
    const auto result = run_case(**engine, c, options);
    if (!result) return fail(result.error());
    const bool reached = report(c, *result, program);
    missed += reached ? 0 : 1;
    ++measured;
    rates[c.mask_name()].push_back(result->bench.percent_of_peak_paired);
  }
  report_spread(rates, program);
  std::printf(
      "%d of %d cases below their goal (%.0f to %.0f %% of peak, %.2f / density over "
      "OpenBLAS)\n",
      missed, measured, kSparseGoal, kDenseGoal, kSpeedupGoal);
  if (auto written = program.write(); !written) return fail(written.error());
  return 0;
}

}  // namespace
}  // namespace lacuna

int main(int argc, char** argv) {
  return lacuna::run(argc, argv);
}
