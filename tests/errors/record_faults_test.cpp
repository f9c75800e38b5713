// SPDX-License-Identifier: Apache-2.0
//
// A process killed while it writes tuning records.
#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <fmt/format.h>
#include <stdlib.h>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "runtime/record.h"
#include "targets/base/hash.h"
#include "templates/problem.h"
#include "templates/registry.h"
#include "templates/schedule.h"
#include "tests/errors/child_process.h"
#include "tests/unit/codegen/temp_cache.h"
#include "tests/unit/targets/temp_folder.h"
#include "tuner/record_store.h"

namespace lacuna::test {
namespace {

namespace fs = std::filesystem;

constexpr const char* kMachine = "00000000000000000000000000000001";

std::string key_of(int number) {
  return fmt::format("{:032x}", number + 1);
}

// Of a few hundred kilobytes, so that a kill lands inside the write. Equal but for key and version.
TuningRecord make_record(int number, int version) {
  TuningRecord record;
  record.key = key_of(number);
  record.fingerprint = kMachine;
  record.template_version = kTemplateVersion;
  record.rigor = "quick";
  Problem problem;
  problem.m = problem.k = 64;
  record.problems = {problem};
  CandidateRecord candidate;
  candidate.format = "bsr16x1";
  candidate.schedules = {to_text(Schedule{})};
  candidate.measured_s = 1e-4;
  candidate.verdict = fmt::format("version {}", version);
  record.candidates.assign(1000, candidate);
  return record;
}

// True if a file that was being written is left.
bool has_part(const fs::path& folder) {
  return std::ranges::any_of(fs::directory_iterator(folder), [](const fs::directory_entry& item) {
    return item.path().extension() == ".tmp";
  });
}

TEST(RecordFault, KillWhileWritingLosesNoOtherRecord) {
  const TempCache home;
  const testing::ScopedEnv variable("LACUNA_HOME", home.path().c_str());
  constexpr int kRecords = 5;
  constexpr int kRounds = 30, kMostRounds = 1000;
  for (int number = 0; number < kRecords; ++number)
    ASSERT_TRUE(store_record(make_record(number, 0)));
  const std::vector<TuningRecord> versions = {make_record(0, 0), make_record(0, 1),
                                              make_record(0, 2)};
  const fs::path folder = record_folder(kMachine);
  // At least one kill must have come while a file was being written.
  for (int round = 0; round < kRounds || (!has_part(folder) && round < kMostRounds); ++round) {
    Victim victim([&](int step) { (void)store_record(versions[1 + step % 2]); });
    victim.kill_at(1 + round % 4);
    const auto listed = list_records(kMachine);
    ASSERT_TRUE(listed) << listed.error().message;
    ASSERT_EQ(listed->size(), static_cast<std::size_t>(kRecords));
    for (int number = 0; number < kRecords; ++number) {
      const auto& record = (*listed)[static_cast<std::size_t>(number)].record;
      ASSERT_TRUE(record) << record.error().message;
      if (number == 0)
        EXPECT_NE(std::ranges::find(versions, *record), versions.end()) << "round " << round;
      else
        EXPECT_EQ(*record, make_record(number, 0)) << "round " << round;
    }
  }
  EXPECT_TRUE(has_part(folder));
  ASSERT_TRUE(store_record(versions[2]));
  EXPECT_EQ(find_record(kMachine, Hash128{.high = 0, .low = 1}), versions[2]);
}

TEST(RecordFault, KillWhileWritingANewRecordLeavesItWholeOrAbsent) {
  const TempCache home;
  const testing::ScopedEnv variable("LACUNA_HOME", home.path().c_str());
  int number = 0;
  for (int round = 0; round < 30; ++round) {
    const int first = number;
    Victim victim([&](int step) { (void)store_record(make_record(first + step, 0)); });
    const int announced = 1 + round % 4;
    victim.kill_at(announced);
    const auto listed = list_records(kMachine);
    ASSERT_TRUE(listed) << listed.error().message;
    for (const StoredRecord& stored : *listed)
      ASSERT_TRUE(stored.record) << stored.record.error().message;
    // Those announced before the last are whole; the child may have gone on before the kill.
    ASSERT_GE(listed->size(), static_cast<std::size_t>(first + announced - 1));
    number = static_cast<int>(listed->size());
  }
  EXPECT_GT(number, 0);
}

}  // namespace
}  // namespace lacuna::test
