// SPDX-License-Identifier: Apache-2.0
#include "tuner/tuner.h"

#include <mutex>
#include <optional>
#include <utility>

#include "runtime/engine.h"
#include "runtime/planner.h"
#include "runtime/record.h"
#include "targets/base/fields.h"
#include "targets/base/result.h"
#include "targets/machine_profile.h"
#include "tuner/clock.h"
#include "tuner/predictor.h"
#include "tuner/record_store.h"
#include "tuner/tune_run.h"

namespace lacuna {
namespace {

// A record of an interrupted run still serves the runtime, but a tuner asked again does better.
bool rigorous_enough(const TuningRecord& record, Rigor wanted) {
  const auto rigor = parse_enum<Rigor>(record.rigor);
  return rigor && *rigor >= wanted;
}

std::optional<TuneOutcome> answer_from_record(const Engine& engine, const PlanRequest& request,
                                              Rigor wanted) {
  auto record = find_record(engine.fingerprint(), record_key(request));
  if (!record || !rigorous_enough(*record, wanted)) return std::nullopt;
  auto plan = plan_of_record(*record);
  if (!plan) return std::nullopt;
  TuneOutcome outcome;
  outcome.plan = std::move(plan).value();
  outcome.record = std::move(record).value();
  outcome.from_record = true;
  return outcome;
}

}  // namespace

Result<TuneOutcome> find_or_tune(Engine& engine, Clock& clock, const PlanRequest& request,
                                 const MachineProfile* profile, const TuneOptions& options) {
  LACUNA_TRY_VOID(check_plan_request(request));
  if (auto known = answer_from_record(engine, request, options.rigor)) return std::move(*known);
  return tune(engine, clock, request, profile, options);
}

Result<TuneOutcome> tune(Engine& engine, Clock& clock, const PlanRequest& request,
                         const MachineProfile* profile, const TuneOptions& options) {
  LACUNA_TRY_VOID(check_plan_request(request));
  const MachineRates rates = make_machine_rates(request.target, profile);
  LACUNA_TRY(TuneOutcome outcome, TuneRun(engine, clock, request, options).run(rates));
  if (auto stored = store_record(outcome.record); !stored)
    outcome.warnings.push_back("the record was not stored: " + stored.error().message);
  return outcome;
}

struct MeasuringPlanner::State {
  Engine& engine;
  Clock& clock;
  TuneOptions options;
  std::optional<MachineProfile> profile;
  std::mutex mutex;
};

MeasuringPlanner::MeasuringPlanner(Engine& engine, Clock& clock, TuneOptions options) {
  std::optional<MachineProfile> profile;
  if (auto loaded = load_profile(profile_path(engine.fingerprint())))
    profile = std::move(loaded).value();
  state_.reset(new State{engine, clock, std::move(options), std::move(profile), {}});
}

MeasuringPlanner::~MeasuringPlanner() = default;

Result<Plan> MeasuringPlanner::plan(const PlanRequest& request) {
  const std::scoped_lock lock(state_->mutex);
  const std::optional<MachineProfile>& measured = state_->profile;
  const MachineProfile* const profile = measured ? &*measured : nullptr;
  LACUNA_TRY(TuneOutcome outcome,
             find_or_tune(state_->engine, state_->clock, request, profile, state_->options));
  return std::move(outcome.plan);
}

}  // namespace lacuna
