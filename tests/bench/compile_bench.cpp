// SPDX-License-Identifier: Apache-2.0
//
// How long the code generator takes for a kernel of the default space: a fixed random sample of every schedule that the
// registry lists for the formats planners offer, over operations, types, layouts and epilogues; and for the code of a
// baked pattern.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <iterator>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "codegen/code_generator.h"
#include "runtime/baked_structure.h"
#include "runtime/engine.h"
#include "runtime/mask.h"
#include "runtime/nm_pattern.h"
#include "runtime/planner.h"
#include "targets/base/fields.h"
#include "targets/base/result.h"
#include "targets/target.h"
#include "templates/element_types.h"
#include "templates/epilogue.h"
#include "templates/format.h"
#include "templates/kernel_spec.h"
#include "templates/problem.h"
#include "templates/registry.h"
#include "tests/bench/bench_output.h"
#include "tuner/clock.h"

namespace lacuna {
namespace {

constexpr std::int64_t kSize = 1024;
constexpr std::size_t kSampledKernels = 600;
constexpr double kMedianGoal = 10e-3, kWorstGoal = 40e-3, kPatternGoal = 0.3;

// Every operation, type, layout of both operands, few dense columns and many, with a short and with a long epilogue.
std::vector<Problem> all_problems() {
  std::vector<Problem> problems;
  for (const auto& [op, op_name] : EnumNames<Op>::kNames)
    for (const auto& [types, types_name] : EnumNames<ElementTypes>::kNames)
      for (const Layout layout : {Layout::kRowMajor, Layout::kColMajor})
        for (const std::int64_t n : {4, 256})
          for (const std::string_view epilogue :
               {"none", "bias_relu", "scale_rows_bias_gelu_erf_residual"}) {
            const Problem problem{.op = op,
                                  .m = kSize,
                                  .k = kSize,
                                  .n = n,
                                  .types = types,
                                  .layout_b = layout,
                                  .layout_c = layout,
                                  .epilogue = parse_epilogue(epilogue).value()};
            if (check_problem(problem)) problems.push_back(problem);
          }
  return problems;
}

Result<std::vector<KernelSpec>> sample_specs(const Target& target) {
  LACUNA_TRY(const Mask mask, make_random_nm_mask(kSize, kSize, 2, 4, 1));
  std::vector<KernelSpec> all;
  for (const Problem& problem : all_problems()) {
    PlanRequest request;
    request.mask = &mask;
    request.problems = {problem};
    request.target = target;
    if (!check_plan_request(request)) continue;
    for (const Format& format : candidate_formats(request)) {
      if (!check_operation(problem.op, problem.types, format)) continue;
      KernelSpec spec = make_kernel_spec(problem, format, Schedule{});
      for (const Schedule& schedule : enumerate_schedules(spec, target)) {
        spec.schedule = schedule;
        all.push_back(spec);
      }
    }
  }
  std::printf("%zu kernels in the default space, %zu sampled\n", all.size(), kSampledKernels);
  std::vector<KernelSpec> sampled;
  std::ranges::sample(all, std::back_inserter(sampled), kSampledKernels, std::mt19937_64(1));
  std::ranges::shuffle(sampled, std::mt19937_64(2));
  return sampled;
}

void report(BenchProgram& program, const std::string& name, std::vector<double> seconds,
            std::size_t rejected, double median_goal, double worst_goal) {
  std::ranges::sort(seconds);
  const double median = seconds[seconds.size() / 2], most = seconds.back();
  const double p99 = seconds[seconds.size() * 99 / 100];
  std::printf("%-12s %4zu  median %8.3f ms  99%% %8.3f ms  most %8.3f ms  rejected %zu\n",
              name.c_str(), seconds.size(), median * 1e3, p99 * 1e3, most * 1e3, rejected);
  program.results.push_back({{"name", name},
                             {"count", seconds.size()},
                             {"rejected", rejected},
                             {"median_s", median},
                             {"p99_s", p99},
                             {"max_s", most},
                             {"goal_median_s", median_goal},
                             {"goal_max_s", worst_goal}});
}

Result<> bench_kernels(BenchProgram& program) {
  const Target& target = program.host.target;
  LACUNA_TRY(CodeGenerator* const generator, load_code_generator());
  LACUNA_TRY(const std::vector<KernelSpec> specs, sample_specs(target));
  SteadyClock clock;
  std::vector<double> seconds;
  std::size_t rejected = 0;
  std::pair<double, std::string> slowest;
  for (const KernelSpec& spec : specs) {
    const double begin_s = clock.now_s();
    const auto compiled = generator->compile(spec, target);
    const double taken_s = clock.now_s() - begin_s;
    if (!compiled && compiled.error().code != ErrorCode::kCompile)
      return tl::unexpected(compiled.error());
    rejected += compiled ? 0 : 1;
    seconds.push_back(taken_s);
    slowest = std::max(slowest, {taken_s, kernel_name(spec, target.name)});
  }
  report(program, "kernel", std::move(seconds), rejected, kMedianGoal, kWorstGoal);
  program.results.back()["slowest"] = slowest.second;
  std::printf("slowest: %s\n", slowest.second.c_str());
  return {};
}

Result<> bench_pattern(BenchProgram& program, double density) {
  const Target& target = program.host.target;
  if (!check_bakes(Op::kSpmm, ElementTypes::kF32, target)) return {};
  LACUNA_TRY(CodeGenerator* const generator, load_code_generator());
  LACUNA_TRY(const Mask mask, make_random_block_mask(kSize, kSize, 1, 1, density, 1));
  LACUNA_TRY(const BakedStructure structure, make_baked_structure(mask, Baked{24}));
  SteadyClock clock;
  std::vector<double> seconds;
  for (int round = 0; round < 11; ++round) {
    const double begin_s = clock.now_s();
    LACUNA_TRY_VOID(generator->compile(pattern_of(structure, PanelDirection::kBlockRows), target));
    seconds.push_back(clock.now_s() - begin_s);
  }
  report(program, "pattern", std::move(seconds), 0, kPatternGoal, kPatternGoal);
  program.results.back()["density"] = density;
  return {};
}

int run(int argc, char** argv) {
  CLI::App app("how long the code generator takes for kernels of the default space");
  BenchProgram program;
  program.add_options(app);
  CLI11_PARSE(app, argc, argv);
  if (auto started = program.start(argc, argv); !started) return fail(started.error());
  program.conditions =
      "one pinned core; each kernel compiled once, in random order, in one process; rejected "
      "kernels count with the time they took; a pattern 11 times; nothing discarded";
  if (program.wants("kernel"))
    if (auto done = bench_kernels(program); !done) return fail(done.error());
  if (program.wants("pattern"))
    if (auto done = bench_pattern(program, 0.1); !done) return fail(done.error());
  if (auto written = program.write(); !written) return fail(written.error());
  return 0;
}

}  // namespace
}  // namespace lacuna

int main(int argc, char** argv) {
  return lacuna::run(argc, argv);
}
