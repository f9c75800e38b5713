// SPDX-License-Identifier: Apache-2.0
//
// TuningRecord: one decision and the evidence for it; and where records are read from.
//
// One immutable JSON file per key: <folder>/<key>.json, folder = <user_cache_folder>/v1/<fingerprint>/records.
// Written only by the tuner (write_file_atomic); a file that is missing, malformed, of another schema or whose
// embedded key differs is a miss. No locks.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/planner.h"
#include "targets/base/hash.h"

namespace lacuna {

// One (format, schedules) candidate as the tuner saw it. Times are seconds for one call of every problem in turn.
struct CandidateRecord {
  std::string format;                  // "bsr32x1"
  std::vector<std::string> schedules;  // one per problem
  double predicted_s = 0;
  double measured_s = 0;  // interleaved minimum; 0 = not measured
  std::int32_t samples = 0;
  std::string
      verdict;  // "winner", "slower by 3.2 %", "dropped: ...", "not measured: predicted 40 % slower", ...

  bool operator==(const CandidateRecord&) const = default;
  template <class Self, class Visit>
  static constexpr void for_each_field(Self& self, Visit&& visit) {
    visit("format", self.format);
    visit("schedules", self.schedules);
    visit("predicted_s", self.predicted_s);
    visit("measured_s", self.measured_s);
    visit("samples", self.samples);
    visit("verdict", self.verdict);
  }
};

struct TuningRecord {
  std::int32_t schema = 1;
  std::string key;          // 32 hex digits, record_key()
  std::string fingerprint;  // of the machine
  std::string target;       // name
  std::string created_at;   // ISO 8601 UTC
  std::string mask_digest;
  std::int64_t mask_nnz = 0;
  std::vector<Problem> problems;
  std::string padding;        // "any" / "exact"
  std::string pinned_format;  // "" = free
  std::int32_t threads = 1;
  std::uint32_t template_version = 0;
  std::string compiler;
  std::string rigor;  // "quick", "measure"
  std::vector<CandidateRecord>
      candidates;  // the first is the winner; then by time, unmeasured last

  bool operator==(const TuningRecord&) const = default;
  template <class Self, class Visit>
  static constexpr void for_each_field(Self& self, Visit&& visit) {
    visit("schema", self.schema);
    visit("key", self.key);
    visit("fingerprint", self.fingerprint);
    visit("target", self.target);
    visit("created_at", self.created_at);
    visit("mask_digest", self.mask_digest);
    visit("mask_nnz", self.mask_nnz);
    visit("problems", self.problems);
    visit("padding", self.padding);
    visit("pinned_format", self.pinned_format);
    visit("threads", self.threads);
    visit("template_version", self.template_version);
    visit("compiler", self.compiler);
    visit("rigor", self.rigor);
    visit("candidates", self.candidates);
  }
};

// Hash of mask digest, problems, padding, pinned format, threads, the target properties that decide code (isa,
// llvm_cpu, features, vector bits and registers), template and ABI version. n = 0 counts as the 256 it is planned for.
[[nodiscard]] Hash128 record_key(const PlanRequest& request);
[[nodiscard]] std::filesystem::path record_folder(const std::string& fingerprint);
[[nodiscard]] std::filesystem::path record_path(const std::string& fingerprint, const Hash128& key);
// Any fault is a miss.
[[nodiscard]] std::optional<TuningRecord> find_record(const std::string& fingerprint,
                                                      const Hash128& key);
// Errors: kInvalidFile naming the field: malformed JSON, another schema, unknown or missing fields, a key that is not
// 32 hexadecimal digits, no candidates.
[[nodiscard]] Result<TuningRecord> parse_record(std::string_view json);
[[nodiscard]] std::string to_text(const TuningRecord& record);  // JSON
// The winner as a plan; its provenance is measured if it has a measured time, else predicted.
// Errors: kInvalidFile if it does not parse or does not fit the problems.
[[nodiscard]] Result<Plan> plan_of_record(const TuningRecord& record);

}  // namespace lacuna
