// SPDX-License-Identifier: Apache-2.0
//
// Masks without blocks on one core: unstructured at several densities, and N:M. For each operation, layout and number
// of columns the tuner races formats and schedules; its choice is then timed beside dense OpenBLAS and oneDNN and the
// FMA peak, and compared with the best candidate of block formats of the same race, which is what there would be
// without jammed rows.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <fmt/format.h>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "runtime/engine.h"
#include "runtime/mask.h"
#include "runtime/planner.h"
#include "targets/base/fields.h"
#include "targets/base/result.h"
#include "templates/format.h"
#include "templates/problem.h"
#include "tests/bench/bench_output.h"
#include "tuner/bench.h"
#include "tuner/cli/request.h"
#include "tuner/tuner.h"

namespace lacuna {
namespace {

struct Options {
  std::vector<std::string> shapes = {"1024x1024"};  // MxK
  std::vector<std::int64_t> n = {64, 256};
  std::vector<std::string> patterns = {"1x1:0.5",  "1x1:0.3",  "1x1:0.2", "1x1:0.1",
                                       "1x1:0.05", "1x1:0.02", "2of4",    "4of8",
                                       "1of4",     "2of8",     "1of16"};
  std::vector<std::string> ops = {"spmm", "spmm_transposed", "sddmm"};
  double tune_budget_s = 2;
  std::int32_t rounds = 15;
};

struct Case {
  std::string pattern;  // as `lacuna tune --random` takes it, without the size
  Problem problem;

  [[nodiscard]] std::string name() const {
    return fmt::format("{}_{}_{}_{}x{}x{}", to_text(problem.op), pattern,
                       problem.layout_c == Layout::kRowMajor ? "row" : "col", problem.m, problem.n,
                       problem.k);
  }
};

// The layouts and numbers of columns of one operation and mask.
void add_cases(const Options& options, const std::string& pattern, Problem problem,
               std::vector<Case>& cases) {
  for (const std::int64_t n : options.n)
    for (const Layout layout : {Layout::kRowMajor, Layout::kColMajor}) {
      problem.n = n;
      problem.layout_b = problem.layout_c = layout;
      cases.push_back({.pattern = pattern, .problem = problem});
    }
}

Result<std::vector<Case>> make_cases(const Options& options) {
  std::vector<Case> cases;
  for (const std::string& op_name : options.ops) {
    Problem problem;
    LACUNA_TRY(problem.op, parse_enum<Op>(op_name));
    for (const std::string& shape : options.shapes) {
      LACUNA_TRY(const auto size, parse_shape(shape));
      std::tie(problem.m, problem.k) = size;
      for (const std::string& pattern : options.patterns)
        add_cases(options, pattern, problem, cases);
    }
  }
  return cases;
}

// Seconds of the fastest candidate measured of a kind of format; 0 = none was.
double best_of(const TuningRecord& record, std::string_view kind) {
  double best = 0;
  for (const CandidateRecord& candidate : record.candidates)
    if (candidate.format.starts_with(kind) && candidate.measured_s > 0)
      best = best == 0 ? candidate.measured_s : std::min(best, candidate.measured_s);
  return best;
}

Result<> run_case(Engine& engine, const Case& c, const Options& options, BenchProgram& program) {
  LACUNA_TRY(const Mask mask,
             cli::make_random_mask(fmt::format("{}x{}:{}", c.problem.m, c.problem.k, c.pattern)));
  PlanRequest request;
  request.mask = &mask;
  request.problems = {c.problem};
  request.target = engine.target();
  TuneOptions tune_options;
  tune_options.rigor = Rigor::kMeasure;
  tune_options.budget_s = options.tune_budget_s;
  LACUNA_TRY(const TunedBench tuned, tune_and_bench(engine, request, tune_options, options.rounds));
  const auto& [outcome, r] = tuned;
  const double blocks_s = best_of(outcome.record, "bsr");
  const double jammed_s = best_of(outcome.record, "jam");
  const double gain = blocks_s > 0 && jammed_s > 0 ? blocks_s / jammed_s : 0;
  std::printf("%-40s %-28s %9.1f %8.1f %7.1f %8.2fx %8.2fx %8.2f\n", c.name().c_str(),
              (r.format + " " + to_text(outcome.plan.schedules.front())).c_str(), r.seconds * 1e6,
              r.gflops, r.percent_of_peak_paired, speedup_over(r, "OpenBLAS"),
              speedup_over(r, "oneDNN"), gain);
  std::fflush(stdout);
  auto entry = to_json_value(r);
  entry["name"] = c.name();
  entry["density"] = mask.density();
  entry["problem"] = to_json_value(c.problem);
  entry["best_of_blocks_s"] = blocks_s;
  entry["best_of_jammed_s"] = jammed_s;
  entry["best_of_baked_s"] = best_of(outcome.record, "baked");
  program.results.push_back(std::move(entry));
  return {};
}

int run(int argc, char** argv) {
  CLI::App app("masks without blocks: unstructured and N:M");
  BenchProgram program;
  Options options;
  program.add_options(app);
  app.add_option("--shapes", options.shapes, "MxK")->delimiter(',')->capture_default_str();
  app.add_option("--n", options.n, "dense columns")->delimiter(',')->capture_default_str();
  app.add_option("--patterns", options.patterns, "RxC:DENSITY or NofM")
      ->delimiter(',')
      ->capture_default_str();
  app.add_option("--ops", options.ops)->delimiter(',')->capture_default_str();
  app.add_option("--tune-budget", options.tune_budget_s, "seconds to choose a format and schedule")
      ->capture_default_str();
  app.add_option("--rounds", options.rounds, "samples of each")->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  if (auto started = program.start(argc, argv); !started) return fail(started.error());
  program.conditions = fmt::format(
      "one pinned core; operands where repeated calls leave them; kernel and rivals in {} "
      "interleaved rounds, the peak loop right before and after each sample; seconds are the "
      "interleaved minimum; best_of_*_s are of the tuner's race before; nothing discarded",
      options.rounds);
  EngineOptions engine_options;
  engine_options.threads = 1;
  auto engine = Engine::create(engine_options);
  if (!engine) return fail(engine.error());
  const auto cases = make_cases(options);
  if (!cases) return fail(cases.error());
  std::printf("%-40s %-28s %9s %8s %7s %9s %9s %8s\n", "case", "chosen", "time us", "GFLOP/s",
              "% peak", "OpenBLAS", "oneDNN", "blocks/jam");
  for (const Case& c : *cases) {
    if (!program.wants(c.name())) continue;
    if (auto done = run_case(**engine, c, options, program); !done) return fail(done.error());
  }
  if (auto written = program.write(); !written) return fail(written.error());
  return 0;
}

}  // namespace
}  // namespace lacuna

int main(int argc, char** argv) {
  return lacuna::run(argc, argv);
}
