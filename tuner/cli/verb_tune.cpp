// SPDX-License-Identifier: Apache-2.0
//
// `lacuna tune`: find and remember the fastest plan for a mask.
#include <charconv>
#include <cstddef>
#include <memory>
#include <string>
#include <system_error>
#include <utility>

#include "runtime/engine.h"
#include "runtime/record.h"
#include "targets/base/fields.h"
#include "targets/base/result.h"
#include "tuner/cli/output.h"
#include "tuner/cli/request.h"
#include "tuner/cli/verbs.h"
#include "tuner/clock.h"
#include "tuner/tuner.h"

namespace lacuna::cli {
namespace {

struct TuneVerbOptions {
  RequestOptions request;
  std::string budget;
  std::string rigor = "quick";
  bool force = false;
};

// "2s", "500ms", "1.5" (seconds).
Result<double> parse_budget(const std::string& text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const std::string unit(end, text.data() + text.size());
  const bool known = unit.empty() || unit == "s" || unit == "ms";
  const double seconds = unit == "ms" ? value / 1000 : value;
  constexpr double kMost = 86400;
  if (error != std::errc{} || !known || !(seconds > 0) || seconds > kMost)
    return make_error(
        ErrorCode::kInvalidArgument,
        "--budget '{}' is not a time above 0 and up to a day, for example 2s or 500ms", text);
  return seconds;
}

void print_text(const Context& context, const LoadedRequest& loaded, const TuneOutcome& outcome,
                const Engine& engine) {
  const CandidateRecord& winner = outcome.record.candidates.front();
  const auto& out = context.output;
  out.print(fmt::format("mask      {}: {}", loaded.mask_name, mask_text(*loaded.mask)));
  for (std::size_t i = 0; i < loaded.request.problems.size(); ++i)
    out.print(fmt::format("{}{}: {}", i == 0 ? "problem   " : "          ",
                          problem_text(loaded.request.problems[i]), winner.schedules[i]));
  out.print(fmt::format("format    {}", winner.format));
  if (winner.measured_s > 0)
    out.print(
        fmt::format("time      {} measured, {} predicted; {:.1f} GFLOP/s on nonzeros, {} thread{}",
                    seconds_text(winner.measured_s), seconds_text(winner.predicted_s),
                    useful_flops(loaded.request) / winner.measured_s * 1e-9, loaded.request.threads,
                    loaded.request.threads == 1 ? "" : "s"));
  const auto path = record_path(engine.fingerprint(), record_key(loaded.request));
  out.print(
      fmt::format("record    {} ({})", path.string(),
                  outcome.from_record ? "already there, of " + outcome.record.created_at : "new"));
}

nlohmann::json to_json(const TuneOutcome& outcome) {
  auto document = nlohmann::json::object();
  document["from_record"] = outcome.from_record;
  document["interrupted"] = outcome.interrupted;
  document["warnings"] = outcome.warnings;
  document["record"] = to_json_value(outcome.record);
  return document;
}

Result<> run_tune(const TuneVerbOptions& options, Context& context) {
  TuneOptions tune_options;
  auto rigor = parse_enum<Rigor>(options.rigor);
  if (!rigor) return add_context("--rigor", std::move(rigor).error());
  tune_options.rigor = *rigor;
  if (!options.budget.empty()) {
    LACUNA_TRY(tune_options.budget_s, parse_budget(options.budget));
  }
  tune_options.stop = context.stop;
  LACUNA_TRY(const Session session, open_session(options.request.threads));
  LACUNA_TRY(const LoadedRequest loaded,
             make_request(options.request, session.engine->target(), session.engine->threads()));
  if (!session.note.empty()) context.output.note(session.note);
  if (!session.engine->note().empty()) context.output.note(session.engine->note());

  SteadyClock clock;
  Result<TuneOutcome> outcome;
  {
    Progress progress("tuning");
    tune_options.progress = [&](double fraction, std::string_view what) {
      progress.update(fraction, what);
    };
    const auto how = options.force ? tune : find_or_tune;
    outcome = how(*session.engine, clock, loaded.request, session.profile_or_null(), tune_options);
  }
  if (!outcome) return tl::unexpected(std::move(outcome).error());
  for (const std::string& warning : outcome->warnings)
    context.output.note(warning);
  if (const auto fault = session.engine->cache_fault(); !fault.empty()) context.output.note(fault);
  print_text(context, loaded, *outcome, *session.engine);
  context.output.print_json(to_json(*outcome));
  if (outcome->interrupted)
    return make_error(ErrorCode::kInterrupted, "interrupted: the best so far is the answer");
  return {};
}

}  // namespace

void add_tune_verb(Registry& registry) {
  const auto options = std::make_shared<TuneVerbOptions>();
  CLI::App& verb = registry.add({
      .name = "tune",
      .summary = "find the fastest format and schedule for a mask, by prediction and measurement, "
                 "and remember it",
      .example = "  lacuna tune weights.npz --op spmm,spmm_transposed,sddmm --n 512 --exact\n"
                 "  lacuna tune --random 1024x1024:16x16:0.1 --budget 5s",
      .action = [options](Context& context) { return run_tune(*options, context); },
  });
  add_request_options(verb, options->request);
  verb.get_option("--threads")
      ->description(
          "threads of one call, for which alone the result is remembered; 0 = OpenMP's "
          "default, all cores");
  verb.add_option("--budget", options->budget,
                  "time to spend, e.g. 2s or 500ms (default: the rigor's)");
  verb.add_option("--rigor", options->rigor,
                  "quick (8 candidates, 2 s) or measure (32 candidates, 10 s)")
      ->capture_default_str();
  verb.add_flag("--force", options->force, "measure even if there is a record");
}

}  // namespace lacuna::cli
