// SPDX-License-Identifier: Apache-2.0
#include "runtime/record.h"

#include <cstddef>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "runtime/mask.h"
#include "runtime/planner.h"
#include "targets/base/file.h"
#include "targets/base/hash.h"
#include "targets/base/result.h"
#include "targets/target.h"
#include "templates/format.h"
#include "templates/problem.h"
#include "templates/schedule.h"

namespace lacuna {
namespace {

const Mask& example_mask() {
  static const Mask kMask = make_random_block_mask(32, 48, 4, 4, 0.5, 1).value();
  return kMask;
}

PlanRequest example_request() {
  PlanRequest request;
  request.mask = &example_mask();
  request.problems = {Problem{.m = 32, .k = 48, .n = 128},
                      Problem{.op = Op::kSpmmTransposed, .m = 32, .k = 48, .n = 128}};
  request.target.name = "zen4";
  request.target.llvm_cpu = "znver4";
  request.target.features = {"avx512f"};
  request.target.vector_bits = 512;
  request.target.vector_registers = 32;
  return request;
}

const std::string kFingerprint = "0123456789abcdef0123456789abcdef";

TuningRecord example_record() {
  const PlanRequest request = example_request();
  const Schedule schedule{.strategy = Strategy::kRowTile, .mr = 8, .nv = 3, .ku = 4};
  CandidateRecord winner{.format = to_text(Format(Bsr{4, 4})),
                         .schedules = {to_text(schedule), to_text(schedule)},
                         .predicted_s = 1.25e-6,
                         .measured_s = 1.5e-6,
                         .samples = 40,
                         .verdict = "winner"};
  CandidateRecord loser = winner;
  loser.format = to_text(Format(Bsr{32, 1}));
  loser.measured_s = 0;
  loser.samples = 0;
  loser.verdict = "not measured: predicted 40 % slower";
  return {.schema = 1,
          .key = to_text(record_key(request)),
          .fingerprint = kFingerprint,
          .target = request.target.name,
          .created_at = "2026-01-02T03:04:05Z",
          .mask_digest = to_text(request.mask->digest()),
          .mask_nnz = request.mask->nnz(),
          .problems = request.problems,
          .padding = "any",
          .pinned_format = "",
          .threads = 1,
          .template_version = 1,
          .compiler = "LLVM 19.1.7",
          .rigor = "measure",
          .candidates = {winner, loser}};
}

std::string error_of(const Result<TuningRecord>& result) {
  if (result) return "no error";
  EXPECT_EQ(result.error().code, ErrorCode::kInvalidFile);
  return result.error().message;
}

// The example's text with the first occurrence of `from` replaced.
std::string edited(std::string_view from, std::string_view to) {
  std::string text = to_text(example_record());
  const std::size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return at == std::string::npos ? text : text.replace(at, from.size(), to);
}

TEST(Record, TextParsesBack) {
  const TuningRecord record = example_record();
  const auto parsed = parse_record(to_text(record));
  ASSERT_TRUE(parsed) << parsed.error().message;
  EXPECT_EQ(*parsed, record);
}

TEST(Record, TextSurvivesNamesThatAreNotUtf8) {
  TuningRecord record = example_record();
  record.target = "\xff";
  EXPECT_TRUE(parse_record(to_text(record)));
}

TEST(Record, EveryPrefixIsAnError) {
  const std::string text = to_text(example_record());
  const std::size_t last_brace = text.rfind('}');
  for (std::size_t size = 0; size <= last_brace; ++size) {
    EXPECT_EQ(error_of(parse_record(std::string_view(text).substr(0, size))),
              "the record is not valid JSON");
  }
}

TEST(Record, ErrorsNameTheField) {
  EXPECT_EQ(error_of(parse_record("[]")), "expected an object");
  EXPECT_EQ(error_of(parse_record("{}")), "missing field 'schema'");
  EXPECT_EQ(error_of(parse_record(edited("\"schema\": 1", "\"schema\": 2"))), "schema 2 is not 1");
  EXPECT_EQ(error_of(parse_record(edited("\"schema\": 1", "\"schema\": \"1\""))),
            "expected an integer");
  EXPECT_EQ(error_of(parse_record(edited("\"threads\"", "\"thread\""))), "unknown field 'thread'");
  EXPECT_EQ(error_of(parse_record(edited("\"rigor\": \"measure\",", ""))), "missing field 'rigor'");
  EXPECT_EQ(error_of(parse_record(edited("\"samples\": 40,", ""))), "missing field 'samples'");
  EXPECT_EQ(error_of(parse_record(edited("\"n\": 128,", ""))), "missing field 'n'");
  EXPECT_EQ(error_of(parse_record(edited("\"threads\": 1", "\"threads\": 4294967296"))),
            "threads: the integer 4294967296 is out of range");
  EXPECT_EQ(error_of(parse_record(edited(example_record().key, "../../etc/passwd"))),
            "key '../../etc/passwd' is not 32 hexadecimal digits");
  TuningRecord record = example_record();
  record.candidates.clear();
  EXPECT_EQ(error_of(parse_record(to_text(record))), "the record has no candidates");
}

TEST(Record, WinnerBecomesThePlan) {
  const auto plan = plan_of_record(example_record());
  ASSERT_TRUE(plan) << plan.error().message;
  EXPECT_EQ(plan->format, Format(Bsr{4, 4}));
  ASSERT_EQ(plan->schedules.size(), 2U);
  EXPECT_EQ(plan->schedules[0].mr, 8);
  EXPECT_EQ(plan->schedules[0].nv, 3);
  EXPECT_EQ(plan->provenance, Provenance::kMeasured);
  TuningRecord unmeasured = example_record();
  unmeasured.candidates[0].measured_s = 0;
  EXPECT_EQ(plan_of_record(unmeasured)->provenance, Provenance::kPredicted);
}

TEST(Record, WinnerThatDoesNotFitIsAnError) {
  const auto message_of = [](const std::function<void(TuningRecord&)>& change) {
    TuningRecord record = example_record();
    change(record);
    const auto plan = plan_of_record(record);
    EXPECT_FALSE(plan);
    if (plan) return std::string("no error");
    EXPECT_EQ(plan.error().code, ErrorCode::kInvalidFile);
    return plan.error().message;
  };
  EXPECT_EQ(message_of([](TuningRecord& r) { r.candidates.clear(); }),
            "the record has no candidates");
  EXPECT_EQ(message_of([](TuningRecord& r) { r.candidates[0].schedules.pop_back(); }),
            "the winner has 1 schedules for 2 problems");
  EXPECT_TRUE(message_of([](TuningRecord& r) {
                r.candidates[0].format = "coo";
              }).starts_with("the winner's format: "));
  EXPECT_TRUE(message_of([](TuningRecord& r) {
                r.candidates[0].schedules[1] = "?";
              }).starts_with("the winner's schedule: "));
}

struct KeyChange {
  const char* name;
  std::function<void(PlanRequest&)> apply;
};

class RecordKeyChanges : public testing::TestWithParam<KeyChange> {};

TEST_P(RecordKeyChanges, ChangesTheKey) {
  PlanRequest request = example_request();
  GetParam().apply(request);
  EXPECT_NE(record_key(request), record_key(example_request()));
}

const Mask& other_mask() {
  static const Mask kMask = make_random_block_mask(32, 48, 4, 4, 0.5, 2).value();
  return kMask;
}

INSTANTIATE_TEST_SUITE_P(
    Record, RecordKeyChanges,
    testing::Values(
        KeyChange{"mask", [](PlanRequest& r) { r.mask = &other_mask(); }},
        KeyChange{"n", [](PlanRequest& r) { r.problems[0].n = 64; }},
        KeyChange{"op", [](PlanRequest& r) { r.problems[1].op = Op::kSddmm; }},
        KeyChange{"layout", [](PlanRequest& r) { r.problems[1].layout_c = Layout::kColMajor; }},
        KeyChange{"epilogue", [](PlanRequest& r) { r.problems[0].epilogue = {.bias = true}; }},
        KeyChange{"accumulate", [](PlanRequest& r) { r.problems[0].accumulate = true; }},
        KeyChange{"fewer_problems", [](PlanRequest& r) { r.problems.pop_back(); }},
        KeyChange{"order", [](PlanRequest& r) { std::swap(r.problems[0], r.problems[1]); }},
        KeyChange{"padding", [](PlanRequest& r) { r.padding = Padding::kExact; }},
        KeyChange{"pinned", [](PlanRequest& r) { r.pinned_format = Bsr{4, 4}; }},
        KeyChange{"threads", [](PlanRequest& r) { r.threads = 2; }},
        KeyChange{"isa", [](PlanRequest& r) { r.target.isa = Isa::kAarch64; }},
        KeyChange{"cpu", [](PlanRequest& r) { r.target.llvm_cpu = "znver3"; }},
        KeyChange{"features", [](PlanRequest& r) { r.target.features.clear(); }},
        KeyChange{"vector_bits", [](PlanRequest& r) { r.target.vector_bits = 256; }},
        KeyChange{"registers", [](PlanRequest& r) { r.target.vector_registers = 16; }}),
    [](const auto& test) { return std::string(test.param.name); });

TEST(RecordKey, IgnoresWhatDoesNotDecideCode) {
  PlanRequest request = example_request();
  request.target.name = "host";
  request.target.pipes.fma_per_cycle = 2;
  request.target.caches.l2_bytes = 1;
  EXPECT_EQ(record_key(request), record_key(example_request()));
}

TEST(RecordKey, UnknownNIsTheNItIsPlannedFor) {
  PlanRequest unknown = example_request();
  PlanRequest planned = example_request();
  unknown.problems[0].n = 0;
  planned.problems[0].n = 256;
  EXPECT_EQ(record_key(unknown), record_key(planned));
}

class RecordStore : public testing::Test {
 protected:
  void SetUp() override { std::filesystem::remove_all(record_folder(kFingerprint)); }
  void TearDown() override { std::filesystem::remove_all(record_folder(kFingerprint)); }

  const Hash128 key_ = record_key(example_request());
  const std::filesystem::path path_ = record_path(kFingerprint, key_);
};

TEST_F(RecordStore, PathIsUnderTheMachinesFolder) {
  EXPECT_EQ(path_,
            user_cache_folder() / "v1" / kFingerprint / "records" / (to_text(key_) + ".json"));
}

TEST_F(RecordStore, FindsWhatWasWritten) {
  EXPECT_FALSE(find_record(kFingerprint, key_));
  ASSERT_TRUE(write_file_atomic(path_, to_text(example_record())));
  EXPECT_EQ(find_record(kFingerprint, key_), example_record());
  EXPECT_FALSE(find_record("", key_));
  EXPECT_FALSE(find_record("another machine", key_));
}

TEST_F(RecordStore, AnyFaultIsAMiss) {
  TuningRecord another = example_record();
  another.key = std::string(32, '0');
  TuningRecord elsewhere = example_record();
  elsewhere.fingerprint = "another machine";
  const std::string text = to_text(example_record());
  for (const std::string& content :
       {std::string(), std::string("garbage"), text.substr(0, text.size() / 2),
        edited("\"schema\": 1", "\"schema\": 9"), to_text(another), to_text(elsewhere)}) {
    ASSERT_TRUE(write_file_atomic(path_, content));
    EXPECT_FALSE(find_record(kFingerprint, key_)) << content;
  }
  std::filesystem::remove(path_);
  std::filesystem::create_directories(path_);  // a folder in the file's place
  EXPECT_FALSE(find_record(kFingerprint, key_));
}

}  // namespace
}  // namespace lacuna
