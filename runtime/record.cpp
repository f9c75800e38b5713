// SPDX-License-Identifier: Apache-2.0
#include "runtime/record.h"

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "runtime/planner.h"
#include "targets/base/fields.h"
#include "targets/base/file.h"
#include "targets/base/hash.h"
#include "targets/base/result.h"
#include "targets/target.h"
#include "templates/abi.h"
#include "templates/format.h"
#include "templates/problem.h"
#include "templates/registry.h"
#include "templates/schedule.h"

namespace lacuna {
namespace {

constexpr std::int32_t kSchema = 1;

void append_problem(Hasher& hasher, Problem problem) {
  problem.n = planning_n(problem);
  hash_append(hasher, problem);
}

// Only what changes the code or its legality: the rates of a target change the prediction, not the measurement.
void append_target(Hasher& hasher, const Target& target) {
  hash_append(hasher, target.isa);
  hash_append(hasher, target.llvm_cpu);
  hash_append(hasher, target.features);
  hash_append(hasher, target.vector_bits);
  hash_append(hasher, target.vector_registers);
}

bool is_key(std::string_view text) {
  return text.size() == 32 && std::ranges::all_of(text, [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

// from_json_value keeps the default of a missing field; a record is only trusted whole.
template <HasFields T>
Result<> check_fields_present(const nlohmann::json& json) {
  T defaults;
  Result<> status;
  T::for_each_field(defaults, [&](const char* name, const auto&) {
    if (status && !json.contains(name)) {
      status = make_error(ErrorCode::kInvalidFile, "missing field '{}'", name);
    }
  });
  return status;
}

Error as_invalid_file(Error error) {
  return {ErrorCode::kInvalidFile, std::move(error.message)};
}

}  // namespace

Hash128 record_key(const PlanRequest& request) {
  LACUNA_CHECK(request.mask != nullptr);
  Hasher hasher;
  const Hash128 mask = request.mask->digest();
  hasher.append_scalar(mask.high);
  hasher.append_scalar(mask.low);
  hasher.append_scalar(request.problems.size());
  for (const Problem& problem : request.problems)
    append_problem(hasher, problem);
  hasher.append_scalar(static_cast<std::uint8_t>(request.padding));
  hasher.append(request.pinned_format ? to_text(*request.pinned_format) : std::string());
  hasher.append_scalar(request.threads);
  append_target(hasher, request.target);
  hasher.append_scalar(kTemplateVersion);
  hasher.append_scalar(kAbiVersion);
  return hasher.digest();
}

std::filesystem::path record_folder(const std::string& fingerprint) {
  return user_cache_folder() / "v1" / fingerprint / "records";
}

std::filesystem::path record_path(const std::string& fingerprint, const Hash128& key) {
  return record_folder(fingerprint) / (to_text(key) + ".json");
}

std::optional<TuningRecord> find_record(const std::string& fingerprint, const Hash128& key) {
  if (fingerprint.empty()) return std::nullopt;
  const auto text = read_text_file(record_path(fingerprint, key));
  if (!text) return std::nullopt;
  auto record = parse_record(*text);
  if (!record || record->key != to_text(key) || record->fingerprint != fingerprint) {
    return std::nullopt;
  }
  return std::move(record).value();
}

Result<TuningRecord> parse_record(std::string_view json) {
  const auto document = nlohmann::json::parse(json, nullptr, /*allow_exceptions=*/false);
  if (document.is_discarded()) {
    return make_error(ErrorCode::kInvalidFile, "the record is not valid JSON");
  }
  if (!document.is_object()) return make_error(ErrorCode::kInvalidFile, "expected an object");
  TuningRecord record;
  const auto schema = document.find("schema");  // first: another schema explains every other fault
  if (schema != document.end()) LACUNA_TRY_VOID(from_json_value(*schema, record.schema));
  if (record.schema != kSchema) {
    return make_error(ErrorCode::kInvalidFile, "schema {} is not {}", record.schema, kSchema);
  }
  LACUNA_TRY_VOID(from_json_value(document, record));
  LACUNA_TRY_VOID(check_fields_present<TuningRecord>(document));
  for (const auto& candidate : document["candidates"]) {
    LACUNA_TRY_VOID(check_fields_present<CandidateRecord>(candidate));
  }
  for (const auto& problem : document["problems"]) {
    LACUNA_TRY_VOID(check_fields_present<Problem>(problem));
  }
  if (!is_key(record.key)) {
    return make_error(ErrorCode::kInvalidFile, "key '{}' is not 32 hexadecimal digits", record.key);
  }
  if (record.candidates.empty()) {
    return make_error(ErrorCode::kInvalidFile, "the record has no candidates");
  }
  return record;
}

std::string to_text(const TuningRecord& record) {
  // "replace": a name that is not UTF-8 must not throw.
  return to_json_value(record).dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

Result<Plan> plan_of_record(const TuningRecord& record) {
  if (record.candidates.empty()) {
    return make_error(ErrorCode::kInvalidFile, "the record has no candidates");
  }
  const CandidateRecord& winner = record.candidates.front();
  if (winner.schedules.size() != record.problems.size()) {
    return make_error(ErrorCode::kInvalidFile, "the winner has {} schedules for {} problems",
                      winner.schedules.size(), record.problems.size());
  }
  auto format = parse_format(winner.format);
  if (!format) return add_context("the winner's format", as_invalid_file(format.error()));
  Plan plan;
  plan.format = *format;
  for (const std::string& text : winner.schedules) {
    auto schedule = parse_schedule(text);
    if (!schedule) return add_context("the winner's schedule", as_invalid_file(schedule.error()));
    plan.schedules.push_back(*schedule);
  }
  plan.provenance = winner.measured_s > 0 ? Provenance::kMeasured : Provenance::kPredicted;
  return plan;
}

}  // namespace lacuna
