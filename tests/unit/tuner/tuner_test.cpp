// SPDX-License-Identifier: Apache-2.0
//
// The tuner on real kernels and simulated time: every kernel runs, the clock says it took what the test wants.
#include "tuner/tuner.h"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "runtime/engine.h"
#include "runtime/mask.h"
#include "runtime/planner.h"
#include "runtime/record.h"
#include "targets/base/result.h"
#include "templates/format.h"
#include "templates/problem.h"
#include "tests/unit/tuner/tuning_case.h"
#include "tuner/clock.h"

namespace lacuna {
namespace {

// Time passes by a fixed step at every look at the clock, longer than a sample must last: all candidates are equally
// fast, and each is called once a sample.
class TickingClock final : public Clock {
 public:
  explicit TickingClock(double step_s = 2e-4) : step_s_(step_s) {}
  [[nodiscard]] double now_s() override { return now_s_ += step_s_; }

 private:
  double now_s_ = 0;
  double step_s_;
};

class TunerTest : public TuningTest {
 protected:
  [[nodiscard]] Result<TuneOutcome> tune_it(const TuneOptions& options = {}) {
    return tune(*engine_, clock_, request_, nullptr, options);
  }
  TickingClock clock_;
};

TEST_F(TunerTest, MeasuresAndRecordsEveryFormat) {
  request_.problems = {problem_of(mask_, Op::kSpmm)};
  const auto outcome = tune_it();
  ASSERT_TRUE(outcome) << outcome.error().message;
  EXPECT_FALSE(outcome->from_record);
  EXPECT_TRUE(outcome->warnings.empty()) << outcome->warnings.front();
  EXPECT_EQ(outcome->plan.provenance, Provenance::kMeasured);
  const TuningRecord& record = outcome->record;
  EXPECT_EQ(record.candidates.front().verdict, "winner");
  EXPECT_GT(record.candidates.front().measured_s, 0);
  EXPECT_EQ(record.rigor, "quick");
  std::set<std::string> formats;
  std::size_t measured = 0;
  for (const CandidateRecord& candidate : record.candidates) {
    formats.insert(candidate.format);
    EXPECT_FALSE(candidate.verdict.empty());
    measured += candidate.measured_s > 0 ? 1 : 0;
  }
  EXPECT_EQ(formats.size(), candidate_formats(request_).size());
  EXPECT_GE(measured, 2U);
  EXPECT_LE(measured, 8U);
}

TEST_F(TunerTest, TheSecondCallAnswersFromTheRecord) {
  request_.problems = {problem_of(mask_, Op::kSpmm)};
  const auto first = find_or_tune(*engine_, clock_, request_, nullptr, {});
  ASSERT_TRUE(first) << first.error().message;
  const auto second = find_or_tune(*engine_, clock_, request_, nullptr, {});
  ASSERT_TRUE(second) << second.error().message;
  EXPECT_TRUE(second->from_record);
  EXPECT_EQ(second->plan, first->plan);
  EXPECT_EQ(second->record, first->record);
  // The runtime's own planner reads the same record.
  DefaultPlanner planner(engine_->fingerprint());
  const auto plan = planner.plan(request_);
  ASSERT_TRUE(plan) << plan.error().message;
  EXPECT_EQ(*plan, first->plan);
}

TEST_F(TunerTest, ARecordOfLessRigorIsMeasuredAgain) {
  request_.problems = {problem_of(mask_, Op::kSpmm)};
  ASSERT_TRUE(find_or_tune(*engine_, clock_, request_, nullptr, {}));
  TuneOptions careful;
  careful.rigor = Rigor::kMeasure;
  const auto outcome = find_or_tune(*engine_, clock_, request_, nullptr, careful);
  ASSERT_TRUE(outcome) << outcome.error().message;
  EXPECT_FALSE(outcome->from_record);
  EXPECT_EQ(outcome->record.rigor, "measure");
}

TEST_F(TunerTest, ProblemsThatShareValuesShareTheFormat) {
  request_.problems = {problem_of(mask_, Op::kSpmm), problem_of(mask_, Op::kSpmmTransposed),
                       problem_of(mask_, Op::kSddmm)};
  request_.problems[0].epilogue = {.bias = true, .activation = Activation::kRelu};
  request_.padding = Padding::kExact;
  const auto outcome = tune_it();
  ASSERT_TRUE(outcome) << outcome.error().message;
  EXPECT_TRUE(outcome->warnings.empty()) << outcome->warnings.front();
  ASSERT_EQ(outcome->plan.schedules.size(), 3U);
  const CandidateRecord& winner = outcome->record.candidates.front();
  EXPECT_EQ(winner.schedules.size(), 3U);
  bool heat = false;
  for (const CandidateRecord& candidate : outcome->record.candidates)
    heat = heat || candidate.verdict.starts_with("lost the heat of ");
  EXPECT_TRUE(heat);
  auto bound = ExecutablePlan::create(*engine_, request_, outcome->plan);
  EXPECT_TRUE(bound) << bound.error().message;
}

TEST_F(TunerTest, APinnedFormatIsKept) {
  request_.problems = {problem_of(mask_, Op::kSddmm)};
  request_.pinned_format = Bsr{16, 8};
  const auto outcome = tune_it();
  ASSERT_TRUE(outcome) << outcome.error().message;
  EXPECT_EQ(to_text(outcome->plan.format), "bsr16x8");
  EXPECT_EQ(outcome->record.pinned_format, "bsr16x8");
}

TEST_F(TunerTest, LayoutsAndAccumulateAreCheckedAgainstTheReference) {
  for (const Layout layout : {Layout::kRowMajor, Layout::kColMajor})
    for (const Op op : {Op::kSpmm, Op::kSpmmTransposed, Op::kSddmm}) {
      Problem problem = problem_of(mask_, op, 19);
      problem.layout_b = problem.layout_c = layout;
      problem.accumulate = true;
      request_.problems = {problem};
      const auto outcome = tune_it();
      ASSERT_TRUE(outcome) << outcome.error().message;
      EXPECT_TRUE(outcome->warnings.empty()) << outcome->warnings.front();
    }
}

TEST_F(TunerTest, StoppedBeforeAnythingIsMeasuredIsInterrupted) {
  request_.problems = {problem_of(mask_, Op::kSpmm)};
  const std::atomic<bool> stop{true};
  TuneOptions options;
  options.stop = &stop;
  const auto outcome = tune_it(options);
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code, ErrorCode::kInterrupted);
  EXPECT_EQ(outcome.error().message, "interrupted before anything was measured");
}

// The flag turns true while candidates race: the best so far is the answer, and is stored.
TEST_F(TunerTest, StoppedInTheRaceKeepsTheBestSoFar) {
  class StoppingClock final : public Clock {
   public:
    [[nodiscard]] double now_s() override {
      if (racing && ++looks == 40) stop = true;
      return now += 2e-4;
    }
    std::atomic<bool> stop{false};
    bool racing = false;
    int looks = 0;
    double now = 0;
  };
  StoppingClock clock;
  request_.problems = {problem_of(mask_, Op::kSpmm)};
  TuneOptions options;
  options.stop = &clock.stop;
  options.progress = [&](double, std::string_view what) {
    clock.racing = what.starts_with("racing");
  };
  const auto outcome = tune(*engine_, clock, request_, nullptr, options);
  ASSERT_TRUE(outcome) << outcome.error().message;
  EXPECT_TRUE(outcome->interrupted);
  EXPECT_EQ(outcome->record.rigor, "interrupted");
  EXPECT_GT(outcome->record.candidates.front().measured_s, 0);
  EXPECT_TRUE(find_record(engine_->fingerprint(), record_key(request_)));
  // Asked again, the tuner does not take an interrupted record for an answer.
  TickingClock calm;
  const auto again = find_or_tune(*engine_, calm, request_, nullptr, {});
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_FALSE(again->from_record);
}

TEST_F(TunerTest, ARecordThatCannotBeWrittenIsAWarning) {
  request_.problems = {problem_of(mask_, Op::kSpmm)};
  // A file where the folder should be: no user, not even root, can write below it.
  std::filesystem::create_directories(record_folder(engine_->fingerprint()).parent_path());
  std::ofstream(record_folder(engine_->fingerprint())) << "in the way";
  const auto outcome = tune_it();
  ASSERT_TRUE(outcome) << outcome.error().message;
  ASSERT_EQ(outcome->warnings.size(), 1U);
  EXPECT_TRUE(outcome->warnings[0].starts_with("the record was not stored: "))
      << outcome->warnings[0];
}

TEST_F(TunerTest, BadRequestsAreErrors) {
  const auto nothing = tune_it();
  ASSERT_FALSE(nothing);
  EXPECT_EQ(nothing.error().code, ErrorCode::kInvalidArgument);
  request_.problems = {problem_of(mask_, Op::kSpmm)};
  request_.problems[0].m = 5;
  const auto mismatch = tune_it();
  ASSERT_FALSE(mismatch);
  EXPECT_EQ(mismatch.error().message, "problem 0 is 5 x 80, the mask is 96 x 80");
}

TEST_F(TunerTest, EmptyMasksAndMatricesCanBeTuned) {
  const std::vector<std::uint8_t> none(60, 0);
  for (const auto& [m, k] : {std::pair<std::int64_t, std::int64_t>{96, 80}, {0, 80}, {96, 0}}) {
    const auto mask = Mask::from_blocks(
        m, k, 16, 8,
        std::span(none).first(static_cast<std::size_t>((m + 15) / 16 * ((k + 7) / 8))));
    ASSERT_TRUE(mask) << mask.error().message;
    request_.mask = &*mask;
    request_.problems = {problem_of(*mask, Op::kSpmm)};
    const auto outcome = tune_it();
    ASSERT_TRUE(outcome) << m << " x " << k << ": " << outcome.error().message;
    EXPECT_TRUE(outcome->warnings.empty()) << outcome->warnings.front();
  }
}

TEST_F(TunerTest, ABudgetThatIsTooShortStillGivesAnAnswer) {
  request_.problems = {problem_of(mask_, Op::kSpmm), problem_of(mask_, Op::kSddmm)};
  TuneOptions options;
  options.budget_s = 1e-9;
  const auto outcome = tune_it(options);
  ASSERT_TRUE(outcome) << outcome.error().message;
  EXPECT_FALSE(outcome->interrupted);
}

TEST_F(TunerTest, TheMeasuringPlannerServesPlans) {
  request_.problems = {problem_of(mask_, Op::kSpmm)};
  engine_->set_planner(std::make_unique<MeasuringPlanner>(*engine_, clock_, TuneOptions{}));
  const auto bound = ExecutablePlan::create(*engine_, request_);
  ASSERT_TRUE(bound) << bound.error().message;
  EXPECT_EQ((*bound)->plan().provenance, Provenance::kMeasured);
  EXPECT_TRUE(find_record(engine_->fingerprint(), record_key(request_)));
}

}  // namespace
}  // namespace lacuna
