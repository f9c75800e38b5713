// SPDX-License-Identifier: Apache-2.0
//
// Products of N:M and block-sparse matrices with few dense columns, as in decoding, on one core. There reading the weights
// is the bound: each case is compared with a loop that reads as many bytes as the compressed weights take, and nothing
// else, from where repeated calls leave them; and with the best schedules of other formats, and dense sgemm.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <fmt/format.h>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "runtime/engine.h"
#include "runtime/mask.h"
#include "runtime/panel_index.h"
#include "runtime/planner.h"
#include "runtime/structure.h"
#include "targets/base/dtype.h"
#include "targets/base/fields.h"
#include "targets/base/result.h"
#include "targets/target.h"
#include "templates/format.h"
#include "templates/problem.h"
#include "templates/registry.h"
#include "templates/schedule.h"
#include "tests/bench/bench_output.h"
#include "tuner/baseline.h"
#include "tuner/cli/request.h"
#include "tuner/clock.h"
#include "tuner/measurer.h"
#include "tuner/probe/loops.h"
#include "tuner/trial.h"
#include "tuner/tuner.h"

namespace lacuna {
namespace {

struct Options {
  std::vector<std::int64_t> sizes = {1024, 4096};
  std::vector<std::int64_t> n = {1, 2, 4, 8};
  std::vector<std::string> patterns = {"2of4",     "1of4",    "1of16",  "16x16:0.1",
                                       "1x16:0.1", "4x4:0.1", "1x1:0.1"};
  std::vector<std::string> others = {"jam4"};
  std::vector<std::string> layouts = {"row", "col"};
  double tune_budget_s = 1;
  std::int32_t rounds = 25;
};

struct Case {
  std::string pattern;
  Problem problem;

  [[nodiscard]] std::string name() const {
    std::string label = pattern;
    std::ranges::replace(label, ':', '_');
    return fmt::format("spmm_{}_{}_{}x{}x{}", label,
                       problem.layout_c == Layout::kRowMajor ? "row" : "col", problem.m, problem.n,
                       problem.k);
  }
};

Result<std::vector<Case>> make_cases(const Options& options) {
  std::vector<Case> cases;
  for (const std::int64_t size : options.sizes)
    for (const std::string& pattern : options.patterns)
      for (const std::string& layout : options.layouts)
        for (const std::int64_t n : options.n) {
          if (layout != "row" && layout != "col")
            return make_error(ErrorCode::kInvalidArgument, "--layouts {} is not row or col",
                              layout);
          Case c{.pattern = pattern, .problem = {}};
          c.problem.m = c.problem.k = size;
          c.problem.n = n;
          c.problem.layout_b = c.problem.layout_c =
              layout == "row" ? Layout::kRowMajor : Layout::kColMajor;
          cases.push_back(std::move(c));
        }
  return cases;
}

// The format that stores a pattern's weights and nothing else: "nm2of4" of "2of4", "bsr4x4" of "4x4:0.1".
std::string format_of(const std::string& pattern) {
  const auto colon = pattern.find(':');
  return colon == std::string::npos ? "nm" + pattern : "bsr" + pattern.substr(0, colon);
}

// A format's best schedule with its weights.
struct Contender {
  std::string format;
  std::unique_ptr<ExecutablePlan> plan;
  ElementBuffer values;
};

Result<Contender> make_contender(Engine& engine, PlanRequest request, const std::string& format,
                                 Trial& trial, const Options& options) {
  LACUNA_TRY(request.pinned_format, parse_format(format));
  SteadyClock clock;
  TuneOptions tune_options;
  tune_options.rigor = Rigor::kMeasure;
  tune_options.budget_s = options.tune_budget_s;
  tune_options.top_k = 1000;  // every schedule
  LACUNA_TRY(const TuneOutcome outcome, tune(engine, clock, request, nullptr, tune_options));
  Contender contender{.format = format, .plan = nullptr, .values = {}};
  LACUNA_TRY(contender.plan, ExecutablePlan::create(engine, request, outcome.plan));
  if (auto right = trial.check(*contender.plan, 0); !right)
    return add_context(contender.plan->kernel_name_of(0), std::move(right).error());
  LACUNA_TRY(contender.values, trial.make_values(contender.plan->structure()));
  return contender;
}

// Bytes of values and indices that a call reads once.
std::int64_t weight_bytes(const ExecutablePlan& plan) {
  const PanelIndex& index = panel_index(plan.structure(), PanelDirection::kBlockRows);
  return plan.values_count() * 4 + index.entries_before(index.panels()) * 4;
}

// Dense sgemm of the whole matrix, by the libraries that are there.
struct DenseRivals {
  ElementBuffer a;
  GemmCall call;
  std::vector<std::pair<GemmLibrary, std::unique_ptr<SgemmBaseline>>> libraries;
};

Result<DenseRivals> make_dense_rivals(const Mask& mask, Trial& trial) {
  DenseRivals rivals;
  for (const GemmLibrary library : {GemmLibrary::kOpenBlas, GemmLibrary::kOneDnn})
    if (auto opened = SgemmBaseline::open(library, 1))
      rivals.libraries.emplace_back(library,
                                    std::make_unique<SgemmBaseline>(std::move(opened).value()));
  LACUNA_TRY(rivals.a, ElementBuffer::make(DType::kF32, mask.m() * mask.k()));
  for (std::int64_t i = 0; i < mask.m(); ++i)
    for (std::int64_t j = 0; j < mask.k(); ++j)
      rivals.a.floats()[i * mask.k() + j] = mask.at(i, j) ? trial_weight(i, j) : 0.0F;
  const Operands sparse = trial.operands(rivals.a);
  rivals.call = make_gemm_call(trial.problem(), trial.n(),
                               {rivals.a.floats(), static_cast<const float*>(sparse.b), sparse.ldb,
                                static_cast<float*>(sparse.c), sparse.ldc});
  return rivals;
}

// The stretch that is read as a yardstick.
struct ReadStretch {
  StreamLoop loop = nullptr;
  ElementBuffer buffer;
  std::int64_t bytes = 0;
};

Result<ReadStretch> make_read_stretch(const Target& target, std::int64_t bytes) {
  ReadStretch stretch;
  stretch.loop = make_read_loop(target);
  stretch.bytes = (bytes + kStreamGranuleBytes - 1) / kStreamGranuleBytes * kStreamGranuleBytes;
  LACUNA_TRY(stretch.buffer, ElementBuffer::make(DType::kF32, stretch.bytes / 4));
  std::fill_n(stretch.buffer.floats(), stretch.buffer.size(), 1.0F);
  return stretch;
}

void report(const Case& c, const std::vector<Contender>& contenders, const ReadStretch& read,
            const Samples& samples, const DenseRivals& dense, BenchProgram& program) {
  const std::size_t read_number = contenders.size();
  const ExecutablePlan& plan = *contenders.front().plan;
  const double seconds = samples.minimum(0);
  const auto bytes = static_cast<double>(weight_bytes(plan));
  const double share = samples.paired_ratio(read_number, 0);
  auto entry = nlohmann::json::object();
  entry["name"] = c.name();
  entry["kernel"] = plan.kernel_name_of(0);
  entry["problem"] = to_json_value(c.problem);
  entry["seconds"] = seconds;
  entry["weight_bytes"] = weight_bytes(plan);
  entry["weight_gbps"] = bytes / seconds * 1e-9;
  const double read_gbps = static_cast<double>(read.bytes) / samples.minimum(read_number) * 1e-9;
  entry["read_gbps"] = read_gbps;
  entry["percent_of_read_paired"] = 100 * share;
  std::string line = fmt::format("{:<32} {:<24} {:>8.1f} {:>7.1f} {:>7.1f} {:>6.1f}", c.name(),
                                 to_text(plan.plan().schedules.front()), seconds * 1e6,
                                 bytes / seconds * 1e-9, read_gbps, 100 * share);
  auto others = nlohmann::json::object();
  for (std::size_t i = 1; i < contenders.size(); ++i) {
    others[contenders[i].format] = {{"kernel", contenders[i].plan->kernel_name_of(0)},
                                    {"seconds", samples.minimum(i)},
                                    {"slower_paired", samples.paired_ratio(i, 0)}};
    line += fmt::format(" {:>7.2f}x", samples.paired_ratio(i, 0));
  }
  for (std::size_t i = 0; i < dense.libraries.size(); ++i) {
    const std::size_t number = read_number + 1 + i;
    others[fmt::format("dense {}", to_text(dense.libraries[i].first))] = {
        {"seconds", samples.minimum(number)}, {"slower_paired", samples.paired_ratio(number, 0)}};
    line += fmt::format(" {:>7.2f}x", samples.paired_ratio(number, 0));
  }
  entry["others"] = others;
  std::puts(line.c_str());
  std::fflush(stdout);
  program.results.push_back(std::move(entry));
}

Result<> run_case(Engine& engine, const Case& c, const Options& options, BenchProgram& program) {
  LACUNA_TRY(const Mask mask,
             cli::make_random_mask(fmt::format("{0}x{0}:{1}", c.problem.m, c.pattern)));
  PlanRequest request;
  request.mask = &mask;
  request.problems = {c.problem};
  request.target = engine.target();
  LACUNA_TRY(Trial trial, Trial::make(mask, c.problem));
  std::vector<std::string> formats = {format_of(c.pattern)};
  formats.insert(formats.end(), options.others.begin(), options.others.end());
  std::vector<Contender> contenders;
  for (const std::string& format : formats) {
    LACUNA_TRY(Contender contender, make_contender(engine, request, format, trial, options));
    contenders.push_back(std::move(contender));
  }
  LACUNA_TRY(const ReadStretch read,
             make_read_stretch(engine.target(), weight_bytes(*contenders.front().plan)));
  LACUNA_TRY(const DenseRivals dense, make_dense_rivals(mask, trial));
  std::vector<TimedCall> calls;
  for (const Contender& contender : contenders)
    calls.emplace_back([&contender, operands = trial.operands(contender.values)] {
      static_cast<void>(contender.plan->execute(0, operands));  // checked above
    });
  calls.emplace_back(
      [&read] { read.loop(static_cast<std::byte*>(read.buffer.data()), read.bytes, 1); });
  for (const auto& [name, opened] : dense.libraries)
    calls.emplace_back([&dense, &library = *opened] { library.run(dense.call); });
  SteadyClock clock;
  MeasureOptions measure;
  measure.rounds = options.rounds;
  measure.sample_s = 1e-3;
  const Samples samples = measure_interleaved(clock, calls, measure);
  report(c, contenders, read, samples, dense, program);
  return {};
}

int run(int argc, char** argv) {
  CLI::App app("N:M and block-sparse matrices times few columns: bandwidth of the weights");
  BenchProgram program;
  Options options;
  program.add_options(app);
  app.add_option("--sizes", options.sizes, "M = K")->delimiter(',')->capture_default_str();
  app.add_option("--n", options.n, "dense columns")->delimiter(',')->capture_default_str();
  app.add_option("--patterns", options.patterns, "NofM or RxC:DENSITY")
      ->delimiter(',')
      ->capture_default_str();
  app.add_option("--others", options.others, "formats beside it")
      ->delimiter(',')
      ->capture_default_str();
  app.add_option("--layouts", options.layouts, "of B and C: row, col")
      ->delimiter(',')
      ->capture_default_str();
  app.add_option("--tune-budget", options.tune_budget_s, "seconds to choose each schedule")
      ->capture_default_str();
  app.add_option("--rounds", options.rounds, "samples of each")->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  if (auto started = program.start(argc, argv); !started) return fail(started.error());
  program.conditions = fmt::format(
      "one pinned core; operands in ordinary pages, where repeated calls leave them; every "
      "schedule "
      "of each format raced before; the winners, a loop that reads as many bytes as the first "
      "format's "
      "weights "
      "and indices take, and dense sgemm in {} interleaved rounds; seconds are the interleaved "
      "minimum, *_paired the median of ratios of the same round; nothing discarded",
      options.rounds);
  EngineOptions engine_options;
  engine_options.threads = 1;
  auto engine = Engine::create(engine_options);
  if (!engine) return fail(engine.error());
  const auto cases = make_cases(options);
  if (!cases) return fail(cases.error());
  std::printf("%-32s %-24s %8s %7s %7s %6s", "case", "schedule", "time us", "GB/s", "read", "%");
  for (const std::string& other : options.others)
    std::printf(" %8s", other.c_str());
  std::printf(" %8s %8s\n", "OpenBLAS", "oneDNN");
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
