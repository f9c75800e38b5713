// SPDX-License-Identifier: Apache-2.0
//
// Latencies around the kernels: execute() beyond the bare kernel, the first kernel of a problem from the code
// generator, and from the disk cache.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fmt/format.h>
#include <memory>
#include <string>
#include <system_error>
#include <unistd.h>
#include <vector>

#include "codegen/code_generator.h"
#include "codegen/kernel.h"
#include "runtime/bsr_structure.h"
#include "runtime/engine.h"
#include "runtime/mask.h"
#include "runtime/planner.h"
#include "targets/base/result.h"
#include "targets/host.h"
#include "targets/target.h"
#include "templates/abi.h"
#include "templates/format.h"
#include "templates/kernel_spec.h"
#include "templates/problem.h"
#include "templates/registry.h"
#include "templates/schedule.h"
#include "tests/bench/bench_output.h"
#include "tuner/clock.h"
#include "tuner/measurer.h"
#include "tuner/trial.h"

namespace lacuna {
namespace {

constexpr double kJitGoal = 15e-3;
constexpr double kCacheGoal = 1e-3;
constexpr double kExecuteGoal = 1e-6;

// Kernels of every operation and layout on some block shapes, each with the registry's first schedule.
std::vector<KernelSpec> sample_specs(const Target& target) {
  std::vector<KernelSpec> specs;
  for (const Bsr format : {Bsr{32, 32}, Bsr{16, 16}, Bsr{16, 1}, Bsr{8, 8}, Bsr{4, 4}, Bsr{1, 16}})
    for (const Op op : {Op::kSpmm, Op::kSpmmTransposed, Op::kSddmm})
      for (const Layout layout : {Layout::kRowMajor, Layout::kColMajor}) {
        Problem problem;
        problem.op = op;
        problem.layout_b = problem.layout_c = layout;
        KernelSpec spec = make_kernel_spec(problem, format, Schedule{});
        const auto schedules = enumerate_schedules(spec, target);
        if (schedules.empty()) continue;
        spec.schedule = schedules.front();
        specs.push_back(spec);
      }
  return specs;
}

struct Distribution {
  double median = 0, p95 = 0, most = 0;
};

Distribution distribution_of(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const auto at = [&](double share) {
    return values[std::min(values.size() - 1,
                           static_cast<std::size_t>(share * static_cast<double>(values.size())))];
  };
  return {at(0.5), at(0.95), values.back()};
}

void report(BenchProgram& program, const std::string& name, const std::vector<double>& seconds,
            double goal) {
  const Distribution d = distribution_of(seconds);
  std::printf("%-28s %6zu  median %10.3f us  p95 %10.3f us  most %10.3f us  goal %9.1f us%s\n",
              name.c_str(), seconds.size(), d.median * 1e6, d.p95 * 1e6, d.most * 1e6, goal * 1e6,
              d.median <= goal ? "" : "  missed");
  program.results.push_back({{"name", name},
                             {"count", seconds.size()},
                             {"median_s", d.median},
                             {"p95_s", d.p95},
                             {"max_s", d.most},
                             {"goal_median_s", goal},
                             {"reached", d.median <= goal}});
}

// Seconds from asking for a kernel to having it, for each spec. A new engine: nothing is in memory.
Result<std::vector<double>> time_kernels(const std::vector<KernelSpec>& specs,
                                         const std::filesystem::path& cache) {
  EngineOptions options;
  options.threads = 1;
  options.cache_folder = cache;
  LACUNA_TRY(const auto engine, Engine::create(options));
  SteadyClock clock;
  std::vector<double> seconds;
  for (const KernelSpec& spec : specs) {
    const double begin_s = clock.now_s();
    const auto kernel = engine->kernel(spec);
    const double end_s = clock.now_s();
    if (kernel)
      seconds.push_back(end_s - begin_s);
    else if (kernel.error().code !=
             ErrorCode::kCompile)  // a rejected schedule has no latency of its own
      return tl::unexpected(kernel.error());
  }
  return seconds;
}

Result<> bench_kernels(BenchProgram& program) {
  SteadyClock clock;
  const double begin_s = clock.now_s();
  LACUNA_TRY_VOID(load_code_generator());
  report(program, "plugin_load", {clock.now_s() - begin_s}, 1.0);
  const auto folder =
      std::filesystem::temp_directory_path() / fmt::format("lacuna-latency-{}", getpid());
  const std::vector<KernelSpec> specs = sample_specs(program.host.target);
  LACUNA_TRY(const auto compiled, time_kernels(specs, ""));
  report(program, "first_kernel_compiled", compiled, kJitGoal);
  LACUNA_TRY_VOID(time_kernels(specs, folder));
  LACUNA_TRY(const auto cached, time_kernels(specs, folder));
  report(program, "first_kernel_from_disk", cached, kCacheGoal);
  std::error_code ignored;
  std::filesystem::remove_all(folder, ignored);
  return {};
}

// The arguments of one task that covers the whole call, as ExecutablePlan makes them for spmm.
KernelArgs whole_call(const ExecutablePlan& plan, const Operands& x, std::vector<float>& scratch,
                      const KernelSpec& spec, const Target& target) {
  const Problem& problem = plan.problems().front();
  const PanelIndex& index = panel_index(plan.structure(), PanelDirection::kBlockRows);
  scratch.resize(static_cast<std::size_t>(scratch_floats(spec, target, problem.k, problem.m, x.n)) +
                 16);
  const auto misaligned = (reinterpret_cast<std::uintptr_t>(scratch.data()) / sizeof(float)) % 16;
  KernelArgs args{};
  args.values = x.values;
  args.ptr = index.ptr.data();
  args.origin = index.origin.data();
  args.b = x.b;
  args.c = x.c;
  args.bias = x.bias;
  args.scratch = scratch.data() + (16 - misaligned) % 16;
  args.ldb = x.ldb;
  args.ldc = x.ldc;
  args.rows_out = problem.m;
  args.rows_in = problem.k;
  args.panel_end = index.panels();
  args.n_end = x.n;
  return args;
}

// execute() against the bare kernel on a problem so small that the difference shows.
Result<> bench_execute(BenchProgram& program, std::int64_t size, std::int64_t n) {
  EngineOptions options;
  options.threads = 1;
  LACUNA_TRY(const auto engine, Engine::create(options));
  LACUNA_TRY(const Mask mask, make_random_block_mask(size, size, 16, 16, 1.0, 1));
  PlanRequest request;
  request.mask = &mask;
  request.target = engine->target();
  request.pinned_format = Bsr{16, 16};
  Problem problem;
  problem.m = problem.k = size;
  problem.n = n;
  request.problems = {problem};
  LACUNA_TRY(const auto plan, ExecutablePlan::create(*engine, request));
  LACUNA_TRY(Trial trial, Trial::make(mask, problem));
  LACUNA_TRY_VOID(trial.check(*plan, 0));
  LACUNA_TRY(const ElementBuffer values, trial.make_values(plan->structure()));
  const Operands operands = trial.operands(values);
  const KernelSpec spec =
      make_kernel_spec(problem, plan->plan().format, plan->plan().schedules.front());
  LACUNA_TRY(const LoadedKernel* const kernel, engine->kernel(spec));
  std::vector<float> scratch;
  const KernelArgs args = whole_call(*plan, operands, scratch, spec, engine->target());
  const auto function = reinterpret_cast<SparseKernel>(kernel->address());

  SteadyClock clock;
  MeasureOptions measure;
  measure.rounds = 101;
  const Samples samples = measure_interleaved(
      clock, {[&] { static_cast<void>(plan->execute(0, operands)); }, [&] { function(&args); }},
      measure);
  std::vector<double> overhead;
  for (std::size_t i = 0; i < samples.seconds[0].size(); ++i)
    overhead.push_back(std::max(0.0, samples.seconds[0][i] - samples.seconds[1][i]));
  report(program, fmt::format("execute_overhead_{}x{}x{}", size, n, size), overhead, kExecuteGoal);
  return {};
}

int run(int argc, char** argv) {
  CLI::App app("latencies: execute, first kernel compiled, first kernel from the disk cache");
  BenchProgram program;
  program.add_options(app);
  CLI11_PARSE(app, argc, argv);
  if (auto started = program.start(argc, argv); !started) return fail(started.error());
  program.conditions =
      "one pinned core; every kernel compiled once, all in one process; then loaded from files "
      "that the page cache holds; "
      "execute() beside its bare kernel in interleaved rounds; nothing discarded";
  if (program.wants("kernel")) {
    if (auto done = bench_kernels(program); !done) return fail(done.error());
  }
  for (const std::int64_t size : {16, 64}) {
    if (!program.wants("execute")) break;
    if (auto done = bench_execute(program, size, 16); !done) return fail(done.error());
  }
  if (auto written = program.write(); !written) return fail(written.error());
  return 0;
}

}  // namespace
}  // namespace lacuna

int main(int argc, char** argv) {
  return lacuna::run(argc, argv);
}
