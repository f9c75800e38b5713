// SPDX-License-Identifier: Apache-2.0
#include "tuner/tune_run.h"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <map>
#include <memory>
#include <numeric>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "codegen/code_generator.h"
#include "runtime/engine.h"
#include "runtime/planner.h"
#include "runtime/record.h"
#include "targets/base/fields.h"
#include "targets/base/hash.h"
#include "targets/base/result.h"
#include "templates/format.h"
#include "templates/problem.h"
#include "templates/registry.h"
#include "templates/schedule.h"
#include "tuner/candidates.h"
#include "tuner/clock.h"
#include "tuner/measurer.h"
#include "tuner/predictor.h"
#include "tuner/trial.h"
#include "tuner/tuner.h"
#include "tuner/verdict.h"

namespace lacuna {
namespace {

constexpr double kQuickBudget = 2;
constexpr double kMeasureBudget = 10;
constexpr std::size_t kQuickTopK = 8;
constexpr std::size_t kMeasureTopK = 32;
// With several problems: formats in the final, for every 8 candidates.
constexpr std::size_t kFormatsPerTopK = 3;
constexpr double kHandicap = 0.03;
constexpr double kKindHandicap = 0.015;
constexpr int kKindsHandicapped = 10;
// Share of the budget after which nothing more is built.
constexpr double kBuildShare = 0.6;

std::vector<std::string> texts_of(const std::vector<Schedule>& schedules) {
  std::vector<std::string> texts;
  texts.reserve(schedules.size());
  for (const Schedule& schedule : schedules)
    texts.push_back(to_text(schedule));
  return texts;
}

}  // namespace

TuneRun::TuneRun(Engine& engine, Clock& clock, const PlanRequest& request,
                 const TuneOptions& options)
    : engine_(engine),
      clock_(clock),
      request_(request),
      options_(options),
      start_s_(clock.now_s()) {
  const bool quick = options.rigor == Rigor::kQuick;
  budget_s_ = options.budget_s > 0 ? options.budget_s : (quick ? kQuickBudget : kMeasureBudget);
  top_k_ = options.top_k > 0 ? options.top_k : (quick ? kQuickTopK : kMeasureTopK);
}

Result<TuneOutcome> TuneRun::run(const MachineRates& rates) {
  LACUNA_TRY(ranked_, rank_candidates(request_, rates));
  progress("preparing operands");
  for (const Problem& problem : request_.problems) {
    LACUNA_TRY(Trial trial, Trial::make(*request_.mask, problem));
    trials_.push_back(std::move(trial));
  }
  const auto field = request_.problems.size() == 1 ? field_of_single_problem() : field_of_formats();
  if (field.empty() && stopped())
    return make_error(ErrorCode::kInterrupted, "interrupted before anything was measured");
  if (field.empty()) return tl::unexpected(first_fault_);
  LACUNA_TRY_VOID(run_final(field));
  record_unmeasured();
  fill_record();
  LACUNA_TRY(outcome_.plan, plan_of_record(outcome_.record));
  return std::move(outcome_);
}

// The best predicted first. A further schedule of a format must be predicted some per cent better than the first of
// another: formats differ by what is hard to predict, so one mistaken prediction for a format must not decide. So must,
// by less, the next formats of a kind: the large blocks of a scattered mask are all the same dense matrix, predicted
// within 5 % of each other, and would fill the field of a quick race.
std::vector<TuneRun::Choice> TuneRun::choices_of_single_problem() const {
  std::vector<std::pair<double, Choice>> ranked;
  std::map<std::size_t, int> of_kind;
  for (const RankedFormat& format : ranked_) {
    double handicap =
        1 + kKindHandicap * std::min(kKindsHandicapped, of_kind[format.format.index()]++);
    for (const RankedSchedule& schedule : format.schedules.front()) {
      const double seconds = schedule.prediction.seconds;
      ranked.emplace_back(seconds * handicap, Choice{format.format, {schedule.schedule}, seconds});
      handicap += kHandicap;
    }
  }
  std::sort(ranked.begin(), ranked.end(), [](const auto& a, const auto& b) {
    return std::tie(a.first, a.second.format, a.second.schedules) <
           std::tie(b.first, b.second.format, b.second.schedules);
  });
  std::vector<Choice> choices;
  choices.reserve(ranked.size());
  for (auto& [seconds, choice] : ranked)
    choices.push_back(std::move(choice));
  return choices;
}

std::vector<std::unique_ptr<TuneRun::Entrant>> TuneRun::field_of_single_problem() {
  return build_field(choices_of_single_problem(), {0}, top_k_);
}

std::vector<std::unique_ptr<TuneRun::Entrant>> TuneRun::field_of_formats() {
  const std::size_t wanted = std::max<std::size_t>(2, top_k_ * kFormatsPerTopK / kQuickTopK);
  std::vector<std::unique_ptr<Entrant>> field;
  for (const RankedFormat& format : ranked_) {
    if (field.size() == wanted) break;
    if (!field.empty() && (stopped() || remaining_s() < (1 - kBuildShare) * budget_s_)) break;
    const auto share = static_cast<double>(wanted + 1 - field.size());
    auto entrant = run_heats(format, std::max(0.0, remaining_s()) / share);
    if (entrant != nullptr) field.push_back(std::move(entrant));
    if (field.empty() && stopped()) break;
  }
  return field;
}

std::unique_ptr<TuneRun::Entrant> TuneRun::run_heats(const RankedFormat& format, double budget_s) {
  Choice winners{format.format, {}, 0};
  std::vector<Heat> heats;
  for (std::size_t p = 0; p < request_.problems.size(); ++p) {
    std::vector<Choice> choices;
    for (const RankedSchedule& ranked : format.schedules[p])
      choices.push_back({format.format, {ranked.schedule}, ranked.prediction.seconds});
    progress(fmt::format("{} {}", to_text(format.format), to_text(request_.problems[p].op)));
    auto field = build_field(choices, {p}, std::max<std::size_t>(2, top_k_ / 2));
    if (field.empty()) return nullptr;
    Heat heat;
    if (!stopped())
      heat.race = race_entrants(field, budget_s / static_cast<double>(request_.problems.size()));
    for (const auto& entrant : field)
      heat.choices.push_back(entrant->choice);
    const Choice& best = heat.choices[heat.race.measured() ? heat.race.winner : 0];
    winners.schedules.push_back(best.schedules.front());
    winners.predicted_s += best.predicted_s;
    heats.push_back(std::move(heat));
  }
  if (!measured_) return nullptr;  // stopped before the first heat
  record_heat_losers(winners, heats);
  std::vector<std::size_t> all(request_.problems.size());
  std::iota(all.begin(), all.end(), std::size_t{0});
  auto built = build(winners, all);
  if (!built) {
    disqualify(winners, all, built.error());
    return nullptr;
  }
  for (const Heat& heat : heats)
    (*built)->heats_s += heat.best_s();
  return std::move(built).value();
}

Result<std::unique_ptr<TuneRun::Entrant>> TuneRun::build(const Choice& choice,
                                                         const std::vector<std::size_t>& problems) {
  PlanRequest request = request_;
  request.problems.clear();
  for (const std::size_t p : problems)
    request.problems.push_back(request_.problems[p]);
  auto entrant = std::make_unique<Entrant>();
  entrant->choice = choice;
  LACUNA_TRY(entrant->plan,
             ExecutablePlan::create(engine_, request, Plan{choice.format, choice.schedules}));
  for (const std::size_t p : problems) {
    const Trial& trial = trials_[p];
    ElementBuffer& buffer = trial.problem().op == Op::kSddmm ? entrant->gradient : entrant->values;
    if (buffer.data() == nullptr) {
      LACUNA_TRY(buffer, trial.make_values(entrant->plan->structure()));
    }
  }

  std::vector<Operands> operands;
  for (std::size_t i = 0; i < problems.size(); ++i) {
    Trial& trial = trials_[problems[i]];
    LACUNA_TRY_VOID(trial.check(*entrant->plan, i));
    const bool writes_values = trial.problem().op == Op::kSddmm;
    operands.push_back(trial.operands(writes_values ? entrant->gradient : entrant->values));
  }
  entrant->call = [plan = entrant->plan.get(), operands = std::move(operands)] {
    for (std::size_t i = 0; i < operands.size(); ++i)
      static_cast<void>(plan->execute(i, operands[i]));  // the same call has just succeeded
  };
  return entrant;
}

std::vector<std::unique_ptr<TuneRun::Entrant>> TuneRun::build_field(
    const std::vector<Choice>& choices, const std::vector<std::size_t>& problems,
    std::size_t wanted) {
  std::vector<std::unique_ptr<Entrant>> field;
  for (const Choice& choice : choices) {
    if (field.size() == wanted || stopped()) break;
    if (!field.empty() && remaining_s() < (1 - kBuildShare) * budget_s_) break;
    if (problems.size() == request_.problems.size())
      progress(
          fmt::format("building {} {}", to_text(choice.format), to_text(choice.schedules.front())));
    auto built = build(choice, problems);
    if (built)
      field.push_back(std::move(built).value());
    else
      disqualify(choice, problems, built.error());
  }
  return field;
}

void TuneRun::disqualify(const Choice& choice, const std::vector<std::size_t>& problems,
                         const Error& error) {
  if (first_fault_.message.empty()) first_fault_ = error;
  std::string name = to_text(choice.format);
  for (const Schedule& schedule : choice.schedules)
    name += " " + to_text(schedule);
  const auto op = to_text(request_.problems[problems.front()].op);
  // A kernel that spills is an expected end of a candidate; anything else is news.
  if (error.code != ErrorCode::kCompile)
    outcome_.warnings.push_back(fmt::format("{} {}: disqualified: {}", op, name, error.message));
  CandidateRecord record;
  record.format = to_text(choice.format);
  record.schedules = texts_of(choice.schedules);
  record.predicted_s = choice.predicted_s;
  record.verdict = fmt::format("disqualified ({}): {}", op, error.message);
  losers_.push_back(std::move(record));
}

RaceResult TuneRun::race_entrants(const std::vector<std::unique_ptr<Entrant>>& field,
                                  double budget_s) {
  std::vector<TimedCall> calls;
  calls.reserve(field.size());
  for (const auto& entrant : field)
    calls.push_back(entrant->call);
  RaceOptions options;
  options.measure.budget_s = budget_s;
  options.measure.seed = options_.seed;
  options.measure.stop = options_.stop;
  options.measure.after_round = [&](std::int32_t rounds) {
    progress(fmt::format("racing {} candidates, {} rounds", field.size(), rounds));
  };
  RaceResult race = lacuna::race(clock_, calls, options);
  measured_ = measured_ || race.measured();
  return race;
}

Result<> TuneRun::run_final(const std::vector<std::unique_ptr<Entrant>>& field) {
  progress(fmt::format("racing {} candidates", field.size()));
  const RaceResult race = race_entrants(field, std::max(0.0, remaining_s()));
  outcome_.interrupted = stopped();
  if (!measured_)
    return make_error(ErrorCode::kInterrupted, "interrupted before anything was measured");
  record_final(field, race);
  return {};
}

void TuneRun::record_final(const std::vector<std::unique_ptr<Entrant>>& field,
                           const RaceResult& race) {
  auto& candidates = outcome_.record.candidates;
  std::size_t winner = race.winner;
  if (!race.measured())  // stopped between heats and final
    winner = static_cast<std::size_t>(
        std::min_element(field.begin(), field.end(),
                         [](const auto& a, const auto& b) { return a->heats_s < b->heats_s; }) -
        field.begin());
  for (std::size_t i = 0; i < field.size(); ++i) {
    const Choice& choice = field[i]->choice;
    const RaceEntry& entry = race.entries[i];
    CandidateRecord record;
    record.format = to_text(choice.format);
    record.schedules = texts_of(choice.schedules);
    record.predicted_s = choice.predicted_s;
    record.measured_s = entry.samples > 0 ? entry.seconds : field[i]->heats_s;
    record.samples = entry.samples;
    record.verdict = i == winner ? "winner" : race_verdict(entry, race.entries[winner]);
    candidates.push_back(std::move(record));
  }
  // The winner of the race first, whatever the minima over all samples say.
  std::swap(candidates.front(), candidates[winner]);
}

void TuneRun::record_heat_losers(const Choice& winners, const std::vector<Heat>& heats) {
  double total_s = 0;
  for (const Heat& heat : heats)
    total_s += heat.best_s();
  for (std::size_t p = 0; p < heats.size(); ++p) {
    const Heat& heat = heats[p];
    if (!heat.race.measured()) continue;
    const RaceEntry& best = heat.race.entries[heat.race.winner];
    for (std::size_t i = 0; i < heat.choices.size(); ++i) {
      const RaceEntry& entry = heat.race.entries[i];
      if (i == heat.race.winner || entry.samples == 0) continue;
      std::vector<Schedule> schedules = winners.schedules;
      schedules[p] = heat.choices[i].schedules.front();
      CandidateRecord record;
      record.format = to_text(winners.format);
      record.schedules = texts_of(schedules);
      record.predicted_s = winners.predicted_s + heat.choices[i].predicted_s -
                           heat.choices[heat.race.winner].predicted_s;
      record.measured_s = total_s + entry.seconds - best.seconds;
      record.samples = entry.samples;
      record.verdict = fmt::format("lost the heat of {}: {}", to_text(request_.problems[p].op),
                                   race_verdict(entry, best));
      losers_.push_back(std::move(record));
    }
  }
}

// The best predicted candidate of every format that nothing else stands for, and how far behind it was predicted.
void TuneRun::record_unmeasured() {
  auto& candidates = outcome_.record.candidates;
  candidates.insert(candidates.end(), std::make_move_iterator(losers_.begin()),
                    std::make_move_iterator(losers_.end()));
  const double best_s = ranked_.front().predicted_s;
  for (const RankedFormat& format : ranked_) {
    const std::string name = to_text(format.format);
    if (std::any_of(candidates.begin(), candidates.end(),
                    [&](const auto& c) { return c.format == name; }))
      continue;
    CandidateRecord record;
    record.format = name;
    for (const auto& schedules : format.schedules)
      record.schedules.push_back(to_text(schedules.front().schedule));
    record.predicted_s = format.predicted_s;
    record.verdict = unmeasured_verdict(format.predicted_s, best_s);
    candidates.push_back(std::move(record));
  }
  const auto place = [](const CandidateRecord& c) {
    return std::tuple(c.measured_s <= 0, c.measured_s, c.predicted_s, c.format, c.schedules);
  };
  std::sort(
      candidates.begin() + 1, candidates.end(),
      [&](const CandidateRecord& a, const CandidateRecord& b) { return place(a) < place(b); });
}

void TuneRun::fill_record() {
  TuningRecord& record = outcome_.record;
  record.key = to_text(record_key(request_));
  record.fingerprint = engine_.fingerprint();
  record.target = request_.target.name;
  record.created_at = utc_now_text();
  record.mask_digest = to_text(request_.mask->digest());
  record.mask_nnz = request_.mask->nnz();
  record.problems = request_.problems;
  record.padding = request_.padding == Padding::kExact ? "exact" : "any";
  record.pinned_format = request_.pinned_format ? to_text(*request_.pinned_format) : "";
  record.threads = request_.threads;
  record.template_version = kTemplateVersion;
  const auto generator = load_code_generator();
  record.compiler = generator ? (*generator)->version() : "none: kernels from a cache";
  record.rigor = outcome_.interrupted ? "interrupted" : std::string(to_text(options_.rigor));
}

bool TuneRun::stopped() const {
  return options_.stop != nullptr && options_.stop->load(std::memory_order_relaxed);
}

void TuneRun::progress(std::string_view what) {
  if (!options_.progress) return;
  options_.progress(std::clamp(1.0 - remaining_s() / budget_s_, 0.0, 1.0), what);
}

}  // namespace lacuna
