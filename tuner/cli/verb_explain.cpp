// SPDX-License-Identifier: Apache-2.0
//
// `lacuna explain`: the candidates for a mask, predicted and measured, and why the winner won.
#include <algorithm>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "runtime/nm_pattern.h"
#include "runtime/planner.h"
#include "runtime/record.h"
#include "targets/base/fields.h"
#include "targets/base/hash.h"
#include "targets/base/result.h"
#include "templates/format.h"
#include "templates/problem.h"
#include "templates/schedule.h"
#include "tuner/candidates.h"
#include "tuner/cli/output.h"
#include "tuner/cli/request.h"
#include "tuner/cli/verbs.h"
#include "tuner/predictor.h"
#include "tuner/verdict.h"

namespace lacuna::cli {
namespace {

struct ExplainOptions {
  RequestOptions request;
  bool all = false;
};

constexpr std::size_t kShown = 20;

std::string joined(const std::vector<std::string>& texts) {
  std::string all;
  for (const auto& text : texts)
    all += (all.empty() ? "" : " ") + text;
  return all;
}

// The ranking as candidates of a record that nobody measured: the best schedules of every format.
std::vector<CandidateRecord> predicted_candidates(const std::vector<RankedFormat>& ranked) {
  std::vector<CandidateRecord> candidates;
  for (const RankedFormat& format : ranked) {
    CandidateRecord candidate;
    candidate.format = to_text(format.format);
    for (const auto& schedules : format.schedules)
      candidate.schedules.push_back(to_text(schedules.front().schedule));
    candidate.predicted_s = format.predicted_s;
    candidate.verdict = candidates.empty()
                            ? "predicted to win"
                            : unmeasured_verdict(format.predicted_s, ranked.front().predicted_s);
    candidates.push_back(std::move(candidate));
  }
  return candidates;
}

std::string prediction_text(const Prediction& p) {
  return fmt::format(
      "bound by {}: fma {}, loads {}, stores and shuffles {}, memory {}, tile overhead {}",
      to_text(p.bound), seconds_text(p.fma_s), seconds_text(p.load_s), seconds_text(p.store_s),
      seconds_text(p.memory_s), seconds_text(p.overhead_s));
}

const RankedSchedule* find_schedule(const std::vector<RankedSchedule>& ranked,
                                    const std::string& text) {
  const auto it = std::find_if(ranked.begin(), ranked.end(), [&](const RankedSchedule& r) {
    return to_text(r.schedule) == text;
  });
  return it == ranked.end() ? nullptr : &*it;
}

// Why the first candidate: what it stores, what binds it, and the best of another format.
std::vector<std::string> reasons(const PlanRequest& request,
                                 const std::vector<RankedFormat>& ranked,
                                 const std::vector<CandidateRecord>& candidates) {
  std::vector<std::string> lines;
  const CandidateRecord& winner = candidates.front();
  const auto format = std::find_if(ranked.begin(), ranked.end(), [&](const RankedFormat& f) {
    return to_text(f.format) == winner.format;
  });
  if (format == ranked.end()) return lines;
  const auto stored = static_cast<double>(format->stored.weights);
  const double fill = stored > 0 ? static_cast<double>(request.mask->nnz()) / stored : 1.0;
  lines.push_back(fmt::format("{} stores {} values, {:.1f} % of them nonzeros of the mask",
                              winner.format, format->stored.weights, std::min(1.0, fill) * 100));
  for (std::size_t i = 0; i < request.problems.size() && i < winner.schedules.size(); ++i)
    if (const auto* found = find_schedule(format->schedules[i], winner.schedules[i]))
      lines.push_back(fmt::format("{} {} is {}", to_text(request.problems[i].op),
                                  winner.schedules[i], prediction_text(found->prediction)));
  const auto other =
      std::find_if(candidates.begin(), candidates.end(),
                   [&](const CandidateRecord& c) { return c.format != winner.format; });
  if (other != candidates.end())
    lines.push_back(fmt::format("the best of another format, {} {}: {}", other->format,
                                joined(other->schedules), other->verdict));
  if (winner.measured_s > 0 && winner.predicted_s > 0)
    lines.push_back(fmt::format("the prediction was {:.0f} % of the measured time",
                                winner.predicted_s / winner.measured_s * 100));
  return lines;
}

void print_candidates(const Context& context, const std::vector<CandidateRecord>& candidates,
                      bool all) {
  Table table({"", "format", "schedules", "predicted", "measured", "samples", "verdict"});
  const std::size_t shown = all ? candidates.size() : std::min(kShown, candidates.size());
  for (std::size_t i = 0; i < shown; ++i) {
    const CandidateRecord& c = candidates[i];
    table.add({std::to_string(i + 1), c.format, joined(c.schedules), seconds_text(c.predicted_s),
               c.measured_s > 0 ? seconds_text(c.measured_s) : "",
               c.samples > 0 ? std::to_string(c.samples) : "", c.verdict});
  }
  context.output.print(table.to_text());
  if (shown < candidates.size())
    context.output.print(fmt::format("({} more; --all shows them)", candidates.size() - shown));
}

Result<> run_explain(const ExplainOptions& options, const Context& context) {
  LACUNA_TRY(const Session session, open_session(options.request.threads));
  LACUNA_TRY(const LoadedRequest loaded,
             make_request(options.request, session.engine->target(), session.engine->threads()));
  const MachineRates rates =
      make_machine_rates(session.engine->target(), session.profile_or_null());
  LACUNA_TRY(const auto ranked, rank_candidates(loaded.request, rates));
  if (!session.note.empty()) context.output.note(session.note);

  const auto record = find_record(session.engine->fingerprint(), record_key(loaded.request));
  const auto candidates = record ? record->candidates : predicted_candidates(ranked);
  const auto lines = reasons(loaded.request, ranked, candidates);
  const auto pattern = find_nm_pattern(*loaded.mask);
  context.output.print(
      fmt::format("mask      {}: {}", loaded.mask_name, mask_text(*loaded.mask, pattern)));
  for (const Problem& problem : loaded.request.problems)
    context.output.print("problem   " + problem_text(problem));
  context.output.print(record ? fmt::format("measured  {}, rigor {}, {}", record->created_at,
                                            record->rigor, record->compiler)
                              : "measured  not yet: predictions only; `lacuna tune` measures");
  context.output.print("");
  print_candidates(context, candidates, options.all);
  context.output.print("");
  context.output.print("why " + candidates.front().format + ":");
  for (const std::string& line : lines)
    context.output.print("  " + line);

  auto document = nlohmann::json::object();
  document["n_of_m"] = pattern ? nlohmann::json(to_text(*pattern)) : nlohmann::json(nullptr);
  document["measured"] = record.has_value();
  document["record_key"] = to_text(record_key(loaded.request));
  document["candidates"] = to_json_value(candidates);
  document["why"] = lines;
  context.output.print_json(document);
  return {};
}

}  // namespace

void add_explain_verb(Registry& registry) {
  const auto options = std::make_shared<ExplainOptions>();
  CLI::App& verb = registry.add({
      .name = "explain",
      .summary = "show the candidates for a mask, predicted and measured, and why the winner won",
      .example = "  lacuna explain weights.npz --n 512\n  lacuna explain --random "
                 "1024x1024:16x1:0.1 --op sddmm --all",
      .action = [options](Context& context) { return run_explain(*options, context); },
  });
  add_request_options(verb, options->request);
  verb.add_flag("--all", options->all, "show every candidate, not only the first 20");
}

}  // namespace lacuna::cli
