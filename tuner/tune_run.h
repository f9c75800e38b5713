// SPDX-License-Identifier: Apache-2.0
//
// TuneRun: one tuning in progress. The inside of tuner.h, which is the header to include.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tuner/candidates.h"
#include "tuner/measurer.h"
#include "tuner/trial.h"
#include "tuner/tuner.h"

namespace lacuna {

class TuneRun {
 public:
  TuneRun(Engine& engine, Clock& clock, const PlanRequest& request, const TuneOptions& options);
  [[nodiscard]] Result<TuneOutcome> run(const MachineRates& rates);

 private:
  // A format with a schedule for each of some problems: all of them, or in a heat one.
  struct Choice {
    Format format;
    std::vector<Schedule> schedules;
    double predicted_s = 0;
  };
  // A choice built for measurement.
  struct Entrant {
    Choice choice;
    std::unique_ptr<ExecutablePlan> plan;
    ElementBuffer values;    // read by spmm and spmm_transposed
    ElementBuffer gradient;  // written by sddmm
    TimedCall call;
    double heats_s = 0;  // sum of the heats' minima; 0 without heats
  };
  // Choices of one race with its outcome; entries in the entrants' order.
  struct Heat {
    std::vector<Choice> choices;
    RaceResult race;

    [[nodiscard]] double best_s() const {
      return race.measured() ? race.entries[race.winner].seconds : 0;
    }
  };

  [[nodiscard]] std::vector<Choice> choices_of_single_problem() const;
  [[nodiscard]] Result<std::unique_ptr<Entrant>> build(const Choice& choice,
                                                       const std::vector<std::size_t>& problems);
  // The first `wanted` of the choices that build and compute the right numbers.
  [[nodiscard]] std::vector<std::unique_ptr<Entrant>> build_field(
      const std::vector<Choice>& choices, const std::vector<std::size_t>& problems,
      std::size_t wanted);
  void disqualify(const Choice& choice, const std::vector<std::size_t>& problems,
                  const Error& error);

  // Both return the entrants of the final; empty if none could be built.
  [[nodiscard]] std::vector<std::unique_ptr<Entrant>> field_of_single_problem();
  [[nodiscard]] std::vector<std::unique_ptr<Entrant>> field_of_formats();
  // One heat per problem; then the format's winners together. Null if a problem has no kernel that works.
  [[nodiscard]] std::unique_ptr<Entrant> run_heats(const RankedFormat& format, double budget_s);
  [[nodiscard]] RaceResult race_entrants(const std::vector<std::unique_ptr<Entrant>>& field,
                                         double budget_s);

  [[nodiscard]] Result<> run_final(const std::vector<std::unique_ptr<Entrant>>& field);
  void record_final(const std::vector<std::unique_ptr<Entrant>>& field, const RaceResult& race);
  void record_heat_losers(const Choice& winners, const std::vector<Heat>& heats);
  void record_unmeasured();
  void fill_record();

  [[nodiscard]] bool stopped() const;
  [[nodiscard]] double remaining_s() { return budget_s_ - (clock_.now_s() - start_s_); }
  void progress(std::string_view what);

  Engine& engine_;
  Clock& clock_;
  const PlanRequest& request_;
  const TuneOptions& options_;
  double start_s_ = 0;
  double budget_s_ = 0;
  std::size_t top_k_ = 0;
  std::vector<RankedFormat> ranked_;
  std::vector<Trial> trials_;            // [problem]
  std::vector<CandidateRecord> losers_;  // of heats, and disqualified
  bool measured_ = false;
  Error first_fault_;
  TuneOutcome outcome_;
};

}  // namespace lacuna
