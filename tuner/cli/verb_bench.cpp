// SPDX-License-Identifier: Apache-2.0
//
// `lacuna bench`: one problem's kernel beside the peak of its multiplications and dense f32 sgemm.
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "runtime/planner.h"
#include "targets/base/fields.h"
#include "targets/base/result.h"
#include "tuner/bench.h"
#include "tuner/cli/output.h"
#include "tuner/cli/request.h"
#include "tuner/cli/verbs.h"
#include "tuner/clock.h"
#include "tuner/tuner.h"

namespace lacuna::cli {
namespace {

struct BenchVerbOptions {
  RequestOptions request;
  std::int32_t rounds = 25;
  bool tune = false;
  bool no_baselines = false;
};

void print_text(const Context& context, const LoadedRequest& loaded, const BenchResult& r) {
  const auto& out = context.output;
  out.print(fmt::format("mask      {}: {}", loaded.mask_name, mask_text(*loaded.mask)));
  out.print("problem   " + problem_text(loaded.request.problems.front()));
  out.print(fmt::format("kernel    {} ({})", r.kernel, r.provenance));
  Table table({"", "time", "GFLOP/s", "compared"});
  table.add(
      {"kernel", seconds_text(r.seconds), fmt::format("{:.1f}", r.gflops), "useful work: 2 nnz N"});
  if (r.peak_gflops > 0)
    table.add({r.peak_instruction + " peak", "", fmt::format("{:.1f}", r.peak_gflops * r.threads),
               fmt::format("the kernel reaches {:.1f} % (paired {:.1f} %)", r.percent_of_peak,
                           r.percent_of_peak_paired)});
  const auto& problem = loaded.request.problems.front();
  const double n = problem.n > 0 ? static_cast<double>(problem.n) : 256.0;
  const double dense_flops =
      2.0 * static_cast<double>(problem.m) * static_cast<double>(problem.k) * n;
  for (const BaselineResult& baseline : r.baselines) {
    if (!baseline.missing.empty()) {
      table.add({baseline.name, "", "", baseline.missing});
      continue;
    }
    table.add({baseline.name, seconds_text(baseline.seconds),
               fmt::format("{:.1f}", dense_flops / baseline.seconds * 1e-9),
               fmt::format("dense f32 sgemm; the kernel is {:.2f} x as fast (paired {:.2f})",
                           baseline.speedup, baseline.speedup_paired)});
  }
  out.print(table.to_text());
  out.print(fmt::format(
      "({} samples of each, interleaved; ratios of minima, medians of paired ratios; {} thread{})",
      r.samples, r.threads, r.threads == 1 ? "" : "s"));
}

Result<> run_bench(const BenchVerbOptions& options, const Context& context) {
  if (options.rounds < 1)
    return make_error(ErrorCode::kInvalidArgument, "--rounds {} is not positive", options.rounds);
  RequestOptions request_options = options.request;
  if (request_options.threads == 0) request_options.threads = 1;
  LACUNA_TRY(const Session session, open_session(request_options.threads));
  LACUNA_TRY(LoadedRequest loaded, make_request(request_options, session.engine->target(), 1));
  if (loaded.request.problems.size() != 1)
    return make_error(ErrorCode::kInvalidArgument, "bench times one operation, --op names {}",
                      loaded.request.problems.size());
  if (!session.engine->note().empty()) context.output.note(session.engine->note());
  SteadyClock clock;
  Plan plan;
  if (options.tune) {
    TuneOptions tune_options;
    tune_options.stop = context.stop;
    Progress progress("tuning");
    tune_options.progress = [&](double fraction, std::string_view what) {
      progress.update(fraction, what);
    };
    LACUNA_TRY(TuneOutcome outcome, find_or_tune(*session.engine, clock, loaded.request,
                                                 session.profile_or_null(), tune_options));
    plan = std::move(outcome.plan);
  } else {
    LACUNA_TRY(plan, session.engine->planner().plan(loaded.request));
    // A record holds for its number of threads, and `tune` takes all cores where bench takes one.
    if (plan.provenance != Provenance::kMeasured)
      context.output.note(fmt::format("not tuned yet for {} thread{}: --tune does",
                                      loaded.request.threads,
                                      loaded.request.threads == 1 ? "" : "s"));
  }
  BenchOptions bench;
  bench.rounds = options.rounds;
  bench.baselines = !options.no_baselines;
  bench.stop = context.stop;
  LACUNA_TRY(const BenchResult result,
             bench_plan(*session.engine, clock, loaded.request, plan, bench));
  print_text(context, loaded, result);
  auto document = to_json_value(result);
  document["mask"] = loaded.mask_name;
  document["nnz"] = loaded.mask->nnz();
  document["problem"] = to_json_value(loaded.request.problems.front());
  context.output.print_json(document);
  if (result.interrupted)
    return make_error(ErrorCode::kInterrupted, "interrupted: the figures are of fewer samples");
  return {};
}

}  // namespace

void add_bench_verb(Registry& registry) {
  const auto options = std::make_shared<BenchVerbOptions>();
  CLI::App& verb = registry.add({
      .name = "bench",
      .summary = "time one problem: GFLOP/s on nonzeros, share of the peak, ratio to dense "
                 "f32 OpenBLAS and oneDNN",
      .example = "  lacuna bench weights.npz --op spmm --n 512\n"
                 "  lacuna bench --random 1024x1024:16x16:0.1 --layout-b col --layout-c col --tune",
      .action = [options](Context& context) { return run_bench(*options, context); },
  });
  add_request_options(verb, options->request);
  verb.get_option("--threads")
      ->description(
          "threads of one call, and of the baselines; 0 = one (`tune` takes all cores: a "
          "record holds for its number of threads)");
  verb.add_option("--rounds", options->rounds, "samples of each candidate")->capture_default_str();
  verb.add_flag("--tune", options->tune, "tune first, if there is no record");
  verb.add_flag("--no-baselines", options->no_baselines, "leave the dense libraries out");
}

}  // namespace lacuna::cli
