// SPDX-License-Identifier: Apache-2.0
//
// Masks whose rows are of unequal length: block rows as long as Zipf's law makes them beside equal ones with as many
// weights, on one thread and on several. Each of the four has the plan that the tuner chose for it; they are timed in
// the same rounds. On one thread the difference is the kernels' (short loops, rows of a panel that share fewer columns);
// on several it is also how well predicted time cuts a call into equal tasks (runtime/task_split.h).
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <fmt/format.h>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "runtime/engine.h"
#include "runtime/mask.h"
#include "runtime/parallel.h"
#include "runtime/planner.h"
#include "targets/base/fields.h"
#include "targets/base/result.h"
#include "templates/format.h"
#include "templates/problem.h"
#include "tests/bench/bench_output.h"
#include "tuner/bench.h"
#include "tuner/cli/request.h"
#include "tuner/clock.h"
#include "tuner/measurer.h"
#include "tuner/probe/loops.h"
#include "tuner/trial.h"
#include "tuner/tuner.h"

namespace lacuna {
namespace {

// Zipf over uniform, on one thread and on several; one thread over two.
constexpr double kOneThreadGoal = 1.03;
constexpr double kThreadsGoal = 1.10;
constexpr double kSpeedupGoal = 0.95;  // for each thread

struct Options {
  std::int64_t size = 1024;
  std::int64_t n = 256;
  std::vector<std::string> blocks = {"16x16", "4x4", "1x1"};
  double density = 0.1;
  std::vector<double> exponents = {1};
  std::vector<std::string> ops = {"spmm", "spmm_transposed", "sddmm"};
  std::int32_t threads = 2;
  double tune_budget_s = 1;
  std::int32_t rounds = 25;
};

struct Case {
  std::string blocks;
  double density = 0.1;
  double exponent = 1;
  Problem problem;

  [[nodiscard]] std::string name() const {
    return fmt::format("{}_{}_{}_{}x{}x{}_d{:g}_zipf{:g}", to_text(problem.op), blocks,
                       problem.layout_c == Layout::kRowMajor ? "row" : "col", problem.m, problem.n,
                       problem.k, density, exponent);
  }
};

// The four of a case.
enum Entrant : std::uint8_t { kUniformOne, kZipfOne, kUniformAll, kZipfAll };
constexpr std::size_t kEntrants = 4;

// A mask with its plan for a number of threads, checked, and the operands of its calls.
struct Contender {
  std::unique_ptr<ExecutablePlan> plan;
  std::optional<Trial> trial;
  ElementBuffer values;
  TimedCall call;
};

Result<std::vector<Case>> make_cases(const Options& options) {
  std::vector<Case> cases;
  for (const std::string& op_name : options.ops) {
    LACUNA_TRY(const Op op, parse_enum<Op>(op_name));
    for (const std::string& blocks : options.blocks)
      for (const double exponent : options.exponents)
        for (const Layout layout : {Layout::kRowMajor, Layout::kColMajor}) {
          Case c{.blocks = blocks, .density = options.density, .exponent = exponent, .problem = {}};
          c.problem.op = op;
          c.problem.m = c.problem.k = options.size;
          c.problem.n = options.n;
          c.problem.layout_b = c.problem.layout_c = layout;
          cases.push_back(std::move(c));
        }
  }
  return cases;
}

Result<Mask> make_mask(const Case& c, double exponent) {
  return cli::make_random_mask(
      fmt::format("{}x{}:{}:{}:zipf{}", c.problem.m, c.problem.k, c.blocks, c.density, exponent));
}

// In place: the calls point into it.
Result<> prepare(Engine& engine, const Mask& mask, const Case& c, const Options& options,
                 std::int32_t threads, Contender& made) {
  PlanRequest request;
  request.mask = &mask;
  request.problems = {c.problem};
  request.target = engine.target();
  request.threads = threads;
  TuneOptions tune_options;
  tune_options.rigor = Rigor::kMeasure;
  tune_options.budget_s = options.tune_budget_s;
  SteadyClock clock;
  LACUNA_TRY(const TuneOutcome tuned, tune(engine, clock, request, nullptr, tune_options));
  LACUNA_TRY(made.plan, ExecutablePlan::create(engine, request, tuned.plan));
  LACUNA_TRY(made.trial, Trial::make(mask, c.problem));
  LACUNA_TRY_VOID(made.trial->check(*made.plan, 0));
  LACUNA_TRY(made.values, made.trial->make_values(made.plan->structure()));
  made.call = [&made, operands = made.trial->operands(made.values)] {
    static_cast<void>(made.plan->execute(0, operands));  // the same call has just succeeded
  };
  return {};
}

// Seconds of the slower over those of the other: Zipf / uniform; and what several threads gain.
struct Ratios {
  double one = 1, all = 1;
  double uniform_speedup = 1, zipf_speedup = 1;

  explicit Ratios(const Samples& samples)
      : one(samples.paired_ratio(kZipfOne, kUniformOne)),
        all(samples.paired_ratio(kZipfAll, kUniformAll)),
        uniform_speedup(samples.paired_ratio(kUniformOne, kUniformAll)),
        zipf_speedup(samples.paired_ratio(kZipfOne, kZipfAll)) {}

  [[nodiscard]] bool reached(std::int32_t threads) const {
    return one <= kOneThreadGoal && all <= kThreadsGoal && zipf_speedup >= kSpeedupGoal * threads;
  }
};

void report(const Case& c, const std::array<Contender, kEntrants>& field, const Samples& samples,
            double flops, double peak_flops, std::int32_t threads, BenchProgram& program) {
  const Ratios ratios(samples);
  const auto format = [&](Entrant e) { return to_text(field[e].plan->plan().format); };
  const double percent = 100 * samples.ratio_to_yardstick(kUniformOne) * flops / peak_flops;
  std::printf("%-46s %-10s %-10s %9.1f %7.1f %7.3f %7.3f %8.2fx %8.2fx%s\n", c.name().c_str(),
              format(kUniformOne).c_str(), format(kZipfOne).c_str(),
              samples.minimum(kUniformOne) * 1e6, percent, ratios.one, ratios.all,
              ratios.uniform_speedup, ratios.zipf_speedup,
              ratios.reached(threads) ? "" : "  below goal");
  std::fflush(stdout);
  program.results.push_back({{"name", c.name()},
                             {"problem", to_json_value(c.problem)},
                             {"blocks", c.blocks},
                             {"density", c.density},
                             {"exponent", c.exponent},
                             {"threads", threads},
                             {"format_uniform", format(kUniformOne)},
                             {"format_zipf", format(kZipfOne)},
                             {"kernel_uniform", field[kUniformOne].plan->kernel_name_of(0)},
                             {"kernel_zipf", field[kZipfOne].plan->kernel_name_of(0)},
                             {"kernel_uniform_threads", field[kUniformAll].plan->kernel_name_of(0)},
                             {"kernel_zipf_threads", field[kZipfAll].plan->kernel_name_of(0)},
                             {"uniform_s", samples.minimum(kUniformOne)},
                             {"zipf_s", samples.minimum(kZipfOne)},
                             {"uniform_threads_s", samples.minimum(kUniformAll)},
                             {"zipf_threads_s", samples.minimum(kZipfAll)},
                             {"percent_of_peak_paired_uniform", percent},
                             {"zipf_over_uniform_paired", ratios.one},
                             {"zipf_over_uniform_threads_paired", ratios.all},
                             {"speedup_uniform_paired", ratios.uniform_speedup},
                             {"speedup_zipf_paired", ratios.zipf_speedup},
                             {"samples", samples.seconds.front().size()},
                             {"reached", ratios.reached(threads)}});
}

Result<> run_case(Engine& engine, const Case& c, const Options& options, BenchProgram& program) {
  LACUNA_TRY(const Mask uniform, make_mask(c, 0));
  LACUNA_TRY(const Mask zipf, make_mask(c, c.exponent));
  if (uniform.nnz() != zipf.nnz())
    return make_error(ErrorCode::kInternal, "{}: {} and {} weights", c.name(), uniform.nnz(),
                      zipf.nnz());
  std::array<Contender, kEntrants> field;
  for (std::size_t i = 0; i < kEntrants; ++i) {
    const bool one = i == kUniformOne || i == kZipfOne;
    const bool equal = i == kUniformOne || i == kUniformAll;
    LACUNA_TRY_VOID(
        prepare(engine, equal ? uniform : zipf, c, options, one ? 1 : options.threads, field[i]));
  }
  std::vector<TimedCall> calls;
  for (const Contender& contender : field)
    calls.push_back(contender.call);
  const RegisterLoop peak = make_fma_f32_loop(engine.target());
  MeasureOptions measure;
  measure.sample_s = 1e-3;
  measure.yardstick = [&peak] { peak.run(kPeakSteps); };
  measure.rounds = options.rounds;
  SteadyClock clock;
  const Samples samples = measure_interleaved(clock, calls, measure);
  const double flops = 2.0 * static_cast<double>(zipf.nnz()) * static_cast<double>(c.problem.n);
  report(c, field, samples, flops, peak.work_per_step * kPeakSteps, options.threads, program);
  return {};
}

void add_options(CLI::App& app, Options& options) {
  app.add_option("--size", options.size, "M = K")->capture_default_str();
  app.add_option("--n", options.n, "dense columns")->capture_default_str();
  app.add_option("--blocks", options.blocks, "RxC; 1x1: none")
      ->delimiter(',')
      ->capture_default_str();
  app.add_option("--density", options.density)->capture_default_str();
  app.add_option("--exponents", options.exponents, "of Zipf's law")
      ->delimiter(',')
      ->capture_default_str();
  app.add_option("--ops", options.ops)->delimiter(',')->capture_default_str();
  app.add_option("--threads", options.threads, "beside one")->capture_default_str();
  app.add_option("--tune-budget", options.tune_budget_s, "seconds to choose each plan")
      ->capture_default_str();
  app.add_option("--rounds", options.rounds, "samples of each")->capture_default_str();
}

int run(int argc, char** argv) {
  CLI::App app("rows of unequal length beside equal ones, on one thread and on several");
  BenchProgram program;
  Options options;
  program.add_options(app);
  add_options(app, options);
  CLI11_PARSE(app, argc, argv);
  if (auto started = program.start(argc, argv, Cores::kAll); !started) return fail(started.error());
  program.conditions = fmt::format(
      "not pinned; one thread and {} of OpenMP; operands where repeated calls leave them; the four "
      "of a case in {} interleaved rounds, the peak loop of one core right before and after each "
      "sample; seconds are the interleaved minimum, ratios the median over the rounds; nothing "
      "discarded",
      options.threads, options.rounds);
  EngineOptions engine_options;
  engine_options.threads = options.threads;
  auto engine = Engine::create(engine_options);
  if (!engine) return fail(engine.error());
  const auto cases = make_cases(options);
  if (!cases) return fail(cases.error());
  std::printf("%-46s %-10s %-10s %9s %7s %7s %7s %9s %9s\n", "case", "uniform", "zipf", "time us",
              "% peak", "z/u 1", fmt::format("z/u {}", options.threads).c_str(), "uniform", "zipf");
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
