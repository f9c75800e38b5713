// SPDX-License-Identifier: Apache-2.0
//
// Lacuna beside every rival that Debian or PyPI offers, spmm in f32 on one core: dense products of OpenBLAS, BLIS, MKL
// and oneDNN, sparse ones of MKL, LIBXSMM, Eigen, SciPy and PyTorch. A case is a pattern, a density, a shape, a number
// of columns and a layout; Lacuna's plan is the tuner's. What is missing is a row that says why, never a failure.
#include <cstdint>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <fmt/format.h>
#include <stdlib.h>
#include <string>
#include <system_error>
#include <utility>
#include <variant>
#include <vector>

#include "runtime/engine.h"
#include "targets/base/fields.h"
#include "targets/base/result.h"
#include "templates/format.h"
#include "templates/problem.h"
#include "tests/bench/bench_output.h"
#include "tests/bench/rivals/contest.h"
#include "tests/bench/rivals/python_rivals.h"
#include "tests/bench/rivals/rival.h"
#include "tests/bench/rivals/summary.h"
#include "tuner/tuner.h"

namespace lacuna {
namespace {

struct Options {
  std::vector<std::string> patterns = {"4x4", "16x16", "16x1", "32x32",
                                       "1x1", "2of4",  "1of4", "1of16"};
  std::vector<double> densities = {0.1, 0.3};
  std::vector<std::string> shapes = {"1024x1024", "768x3072"};
  std::vector<std::int64_t> n = {64, 256};
  std::vector<std::string> layouts = {"row", "col"};
  bool large = false;
  std::filesystem::path python_env = "build/rivals";
  ContestOptions contest;
};

void add_options(CLI::App& app, Options& options) {
  app.add_option("--patterns", options.patterns, "blocks RxC (1x1: none), or NofM")
      ->delimiter(',')
      ->capture_default_str();
  app.add_option("--densities", options.densities, "of blocks")
      ->delimiter(',')
      ->capture_default_str();
  app.add_option("--shapes", options.shapes, "MxK")->delimiter(',')->capture_default_str();
  app.add_flag("--large", options.large, "4096x4096 too");
  app.add_option("--n", options.n, "dense columns")->delimiter(',')->capture_default_str();
  app.add_option("--layouts", options.layouts, "row: n contiguous, col: k and m contiguous")
      ->delimiter(',')
      ->check(CLI::IsMember({"row", "col"}))
      ->capture_default_str();
  app.add_option("--rivals", options.contest.rivals, "only those whose name contains one of these")
      ->delimiter(',');
  app.add_option("--python-env", options.python_env, "the virtual environment with PyPI's rivals")
      ->capture_default_str();
  app.add_option("--tune-budget", options.contest.tune.budget_s, "seconds to choose a plan")
      ->capture_default_str();
  app.add_option("--rounds", options.contest.rounds, "samples of each, at most")
      ->capture_default_str();
  app.add_option("--budget", options.contest.budget_s, "seconds of measuring a case")
      ->capture_default_str();
}

Result<Problem> make_problem(const std::string& shape) {
  Problem problem;
  int read = 0;
  long long m = 0;
  long long k = 0;
  if (std::sscanf(shape.c_str(), "%lldx%lld%n", &m, &k, &read) != 2 ||  // NOLINT(cert-err34-c)
      static_cast<std::size_t>(read) != shape.size() || m < 1 || k < 1)
    return make_error(ErrorCode::kInvalidArgument, "--shapes '{}' is not MxK", shape);
  problem.m = m;
  problem.k = k;
  return problem;
}

// The pattern once for each density; N:M patterns have their own.
std::vector<ContestCase> cases_of_pattern(const std::string& pattern, const Options& options) {
  ContestCase one;
  one.pattern = pattern;
  const auto blocks = parse_format("bsr" + pattern);
  if (!blocks) return {one};
  if (const auto* const bsr = std::get_if<Bsr>(&*blocks)) {
    one.block_r = bsr->r;
    one.block_c = bsr->c;
  }
  std::vector<ContestCase> cases;
  for (const double density : options.densities) {
    one.pattern = fmt::format("{}:{:g}", pattern, density);
    cases.push_back(one);
  }
  return cases;
}

Result<std::vector<ContestCase>> make_cases(const Options& options) {
  std::vector<std::string> shapes = options.shapes;
  if (options.large) shapes.emplace_back("4096x4096");
  std::vector<ContestCase> cases;
  for (const std::string& shape : shapes) {
    LACUNA_TRY(const Problem problem, make_problem(shape));
    for (const std::string& pattern : options.patterns)
      for (ContestCase c : cases_of_pattern(pattern, options))
        for (const std::int64_t n : options.n)
          for (const std::string& layout : options.layouts) {
            c.problem = problem;
            c.problem.n = n;
            c.problem.layout_b = c.problem.layout_c =
                layout == "row" ? Layout::kRowMajor : Layout::kColMajor;
            if (problem.m % c.block_r != 0 || problem.k % c.block_c != 0)
              return make_error(ErrorCode::kInvalidArgument,
                                "blocks of {} do not divide {}: rivals have no edge blocks",
                                c.pattern, shape);
            cases.push_back(c);
          }
  }
  return cases;
}

std::vector<Rival> load_rivals(const Options& options) {
  std::error_code error;
  const RivalPaths paths{
      std::filesystem::absolute(options.python_env, error),
      std::filesystem::canonical("/proc/self/exe", error).parent_path() / "rivals"};
  std::vector<Rival> all = blas_rivals();
  for (auto& group : {mkl_rivals(paths), adapter_rivals(paths)})
    all.insert(all.end(), group.begin(), group.end());
  return all;
}

std::string text_of(const RivalResult* rival) {
  return rival == nullptr ? "-" : fmt::format("{:.2f}x {}", rival->speedup_paired, rival->name);
}

void report(const ContestCase& contest, const ContestResult& result, BenchProgram& program) {
  std::printf("%-30s %-10s %9.1f %7.1f %7.1f  %-40s %-34s%s\n", contest.name().c_str(),
              result.format.c_str(), result.seconds * 1e6, result.gflops,
              result.percent_of_peak_paired, text_of(result.strongest("dense")).c_str(),
              text_of(result.strongest("sparse")).c_str(),
              result.ahead_of_all() ? "" : " not ahead");
  std::fflush(stdout);
  auto entry = to_json_value(result);
  entry["name"] = contest.name();
  entry["pattern"] = contest.pattern;
  entry["problem"] = to_json_value(contest.problem);
  entry["ahead_of_every_rival"] = result.ahead_of_all();
  program.results.push_back(std::move(entry));
}

Result<> run_all(const Options& options, BenchProgram& program) {
  EngineOptions engine_options;
  engine_options.threads = 1;
  LACUNA_TRY(const auto engine, Engine::create(engine_options));
  LACUNA_TRY(const auto cases, make_cases(options));
  const std::vector<Rival> rivals = load_rivals(options);
  PythonRivals python(options.python_env, LACUNA_PYTHON_RIVALS);
  std::printf("%-30s %-10s %9s %7s %7s  %-40s %-34s\n", "case", "chosen", "time us", "GFLOP/s",
              "% peak", "over the strongest dense rival", "over the strongest sparse rival");
  Summary summary;
  for (const ContestCase& contest : cases) {
    if (!program.wants(contest.name())) continue;
    auto result = run_contest(*engine, contest, rivals, python, options.contest);
    if (!result) return add_context(contest.name(), std::move(result).error());
    report(contest, *result, program);
    summary.add(contest, std::move(result).value());
  }
  summary.print();
  program.results.push_back(summary.to_json());
  return {};
}

int run(int argc, char** argv) {
  CLI::App app("every rival that Debian or PyPI offers beside Lacuna's tuned plans, on one core");
  BenchProgram program;
  Options options;
  options.contest.tune.rigor = Rigor::kMeasure;
  options.contest.tune.budget_s = 1.6;
  program.add_options(app);
  add_options(app, options);
  CLI11_PARSE(app, argc, argv);
  // Before any library that reads it is loaded; the Python process inherits it.
  setenv("OMP_NUM_THREADS", "1", 1);  // NOLINT(concurrency-mt-unsafe): no thread was started yet
  if (auto started = program.start(argc, argv); !started) return fail(started.error());
  program.conditions = fmt::format(
      "one pinned core, one thread; one set of operands in ordinary pages, where repeated calls "
      "leave them; Lacuna and the rivals of its process in up to {} interleaved rounds (no new one "
      "after {} s), the peak loop right before and after each sample; after each round one sample "
      "of each rival of the Python process; weights packed or compiled ahead by every rival that "
      "can, parameters chosen by timing where it leaves them to its user; seconds are the "
      "interleaved minimum, speedup_paired the median ratio of samples of a round; every result "
      "checked; nothing discarded",
      options.contest.rounds, options.contest.budget_s);
  if (auto done = run_all(options, program); !done) return fail(done.error());
  if (auto written = program.write(); !written) return fail(written.error());
  return 0;
}

}  // namespace
}  // namespace lacuna

int main(int argc, char** argv) {
  try {
    return lacuna::run(argc, argv);
  } catch (const std::exception& error) {  // of std::filesystem and JSON: none is expected
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
