// SPDX-License-Identifier: Apache-2.0
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/record.h"
#include "templates/format.h"
#include "templates/problem.h"
#include "templates/schedule.h"
#include "tests/fuzz/fuzz_target.h"

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

std::string seed_record() {
  lacuna::TuningRecord record;
  record.key = "0123456789abcdef0123456789abcdef";
  record.fingerprint = "machine";
  record.problems = {{.m = 64, .k = 32, .n = 256}, {.op = lacuna::Op::kSddmm, .m = 64, .k = 32}};
  const std::string schedule = lacuna::to_text(lacuna::Schedule{.mr = 8, .nv = 2, .ku = 4});
  record.candidates = {{.format = lacuna::to_text(lacuna::Format(lacuna::Bsr{16, 1})),
                        .schedules = {schedule, schedule},
                        .predicted_s = 1e-6,
                        .measured_s = 1.5e-6,
                        .samples = 9,
                        .verdict = "winner"}};
  return lacuna::to_text(record);
}

}  // namespace

// The bytes are a record file: an error with a message, or a record whose text parses back to it and whose winner is a
// plan or an error.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto record =
      lacuna::parse_record(std::string_view(reinterpret_cast<const char*>(data), size));
  if (!record) {
    require(!record.error().message.empty());
    return 0;
  }
  const auto again = lacuna::parse_record(lacuna::to_text(*record));
  require(again && *again == *record);
  const auto plan = lacuna::plan_of_record(*record);
  require(plan ? plan->schedules.size() == record->problems.size() : !plan.error().message.empty());
  return 0;
}

std::vector<std::string> fuzz_seeds() {
  return {seed_record()};
}
