// SPDX-License-Identifier: Apache-2.0
#include "tuner/record_store.h"

#include <chrono>
#include <filesystem>
#include <fstream>
#include <string>

#include <gtest/gtest.h>

#include "runtime/record.h"
#include "targets/base/result.h"
#include "templates/problem.h"
#include "templates/registry.h"
#include "templates/schedule.h"
#include "tests/unit/targets/temp_folder.h"
#include "tuner/clock.h"

namespace lacuna {
namespace {

constexpr const char* kMachine = "00000000000000000000000000000001";

TuningRecord make_record(const std::string& key) {
  TuningRecord record;
  record.key = key;
  record.fingerprint = kMachine;
  record.created_at = utc_now_text();
  record.template_version = kTemplateVersion;
  record.rigor = "quick";
  Problem problem;
  problem.m = problem.k = 64;
  record.problems = {problem};
  CandidateRecord winner;
  winner.format = "bsr16x1";
  winner.schedules = {to_text(Schedule{})};
  winner.measured_s = 1e-4;
  winner.verdict = "winner";
  record.candidates = {winner};
  return record;
}

class RecordStoreTest : public ::testing::Test {
 protected:
  void write(const std::string& name, const std::string& text) const {
    std::filesystem::create_directories(record_folder(kMachine));
    std::ofstream(record_folder(kMachine) / name) << text;
  }

  const std::string key_a_ = std::string(31, 'a') + "1";
  const std::string key_b_ = std::string(31, 'a') + "2";
  testing::TempFolder home_;
  testing::ScopedEnv env_{"LACUNA_HOME", home_.path().c_str()};
};

TEST_F(RecordStoreTest, StoresListsAndRemoves) {
  EXPECT_TRUE(list_records(kMachine)->empty());
  const TuningRecord record = make_record(key_a_);
  ASSERT_TRUE(store_record(record));
  const auto listed = list_records(kMachine);
  ASSERT_TRUE(listed);
  ASSERT_EQ(listed->size(), 1U);
  ASSERT_TRUE(listed->front().record) << listed->front().record.error().message;
  EXPECT_EQ(*listed->front().record, record);
  ASSERT_TRUE(remove_record_file(listed->front().path));
  EXPECT_TRUE(list_records(kMachine)->empty());
  EXPECT_EQ(remove_record_file(listed->front().path).error().code, ErrorCode::kNotFound);
}

TEST_F(RecordStoreTest, StoringSweepsWhatKilledProcessesLeft) {
  write(".lacuna-1-1.tmp", "a part");
  const auto stale = record_folder(kMachine) / ".lacuna-1-1.tmp";
  std::filesystem::last_write_time(
      stale, std::filesystem::file_time_type::clock::now() - std::chrono::hours(2));
  ASSERT_TRUE(store_record(make_record(key_a_)));
  EXPECT_FALSE(std::filesystem::exists(stale));
}

TEST_F(RecordStoreTest, DamagedRecordsAreListedWithTheirFault) {
  write(key_a_ + ".json", "{ \"schema\": 1, ");
  write("notes.txt", "not a record");
  write(key_b_ + ".json", to_text(make_record(key_a_)));
  const auto listed = list_records(kMachine);
  ASSERT_TRUE(listed);
  ASSERT_EQ(listed->size(), 2U);
  EXPECT_EQ(listed->at(0).record.error().message, key_a_ + ".json: the record is not valid JSON");
  EXPECT_EQ(listed->at(1).record.error().message,
            key_b_ + ".json: holds the record of key " + key_a_);
  EXPECT_EQ(listed->at(1).record.error().code, ErrorCode::kInvalidFile);
}

TEST_F(RecordStoreTest, RecordsOfOtherTemplatesAreNotGood) {
  TuningRecord record = make_record(key_a_);
  record.template_version = kTemplateVersion + 1;
  ASSERT_TRUE(store_record(record));
  const auto verified = verify_record(record_folder(kMachine) / (key_a_ + ".json"));
  ASSERT_FALSE(verified);
  EXPECT_EQ(verified.error().message,
            fmt::format("{}.json: made by template version {}, this is {}", key_a_,
                        kTemplateVersion + 1, kTemplateVersion));
}

TEST_F(RecordStoreTest, KeysMayBeShortened) {
  ASSERT_TRUE(store_record(make_record(key_a_)));
  ASSERT_TRUE(store_record(make_record(key_b_)));
  EXPECT_EQ(find_record_file(kMachine, key_b_)->stem().string(), key_b_);
  EXPECT_EQ(find_record_file(kMachine, "aaa").error().message,
            "key 'aaa' is too short: give at least 4 digits");
  EXPECT_EQ(find_record_file(kMachine, "aaaa").error().message,
            "2 records have a key that begins with 'aaaa': give more digits");
  EXPECT_EQ(find_record_file(kMachine, "bbbb").error().message,
            "no record with key 'bbbb'; `lacuna records list` shows the keys");
}

TEST_F(RecordStoreTest, AFolderThatCannotBeMadeIsAnIoError) {
  std::filesystem::create_directories(record_folder(kMachine).parent_path());
  std::ofstream(record_folder(kMachine)) << "in the way";
  const auto stored = store_record(make_record(key_a_));
  ASSERT_FALSE(stored);
  EXPECT_EQ(stored.error().code, ErrorCode::kIo);
}

TEST(UtcNowText, IsIso8601) {
  const std::string text = utc_now_text();
  ASSERT_EQ(text.size(), 20U);
  EXPECT_EQ(text[4], '-');
  EXPECT_EQ(text[10], 'T');
  EXPECT_EQ(text.back(), 'Z');
}

}  // namespace
}  // namespace lacuna
