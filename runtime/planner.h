// SPDX-License-Identifier: Apache-2.0
//
// Planner: chooses format and schedules for a mask and the problems that share its values.
//
// The runtime supplies DefaultPlanner (records, else a rule without measurement); the tuner supplies the measuring
// one. A caller may pin the format.
#pragma once

#include <bit>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "runtime/mask.h"
#include "runtime/structure.h"
#include "targets/base/fields.h"
#include "targets/base/result.h"
#include "targets/target.h"
#include "templates/format.h"
#include "templates/problem.h"
#include "templates/registry.h"
#include "templates/schedule.h"

namespace lacuna {

enum class Provenance : std::uint8_t { kDefault, kPredicted, kMeasured };

template <>
struct EnumNames<Provenance> {
  static constexpr std::array kNames = {
      std::pair{Provenance::kDefault, std::string_view("default")},
      std::pair{Provenance::kPredicted, std::string_view("predicted")},
      std::pair{Provenance::kMeasured, std::string_view("measured")}};
};

// One format for all problems (they share A's values), one schedule for each problem, in their order.
struct Plan {
  Format format;
  std::vector<Schedule> schedules;
  Provenance provenance = Provenance::kDefault;

  bool operator==(const Plan&) const = default;
};

// kAny may store zeros that the mask leaves out; kExact stores exactly the mask, as training needs (gradients
// and optimizer state then exist only for weights of the mask).
enum class Padding : std::uint8_t { kAny, kExact };

struct PlanRequest {
  const Mask* mask = nullptr;
  std::vector<Problem> problems;  // m and k equal the mask's; n = 0 is planned as n = 256
  std::optional<Format> pinned_format;
  Padding padding = Padding::kAny;
  Target target;
  std::int32_t threads = 1;
};

class Planner {
 public:
  virtual ~Planner() = default;
  // Errors: kInvalidArgument (bad problem, no legal schedule, pinned format out of range), kUnsupported (the target
  // lacks what the types need).
  [[nodiscard]] virtual Result<Plan> plan(const PlanRequest& request) = 0;
};

// The formats considered for a mask: blocks with r and c from {1, 2, 4, 8, 16, 32, 64} clamped to m and k, without
// duplicates, and 2, 4, 5 or 6 jammed rows (one is bsr1x1); with glu those of them whose panels' height divides the rows
// of a half; blocks of narrow elements in whole groups (c; for spmm_transposed r too), of bf16 also one by one
// (element_types.h); where all problems are spmm of at most 16 known columns, the smallest of the usual N:M formats (M a
// power of two) to which the mask conforms, elsewhere, where check_bakes() admits them, baked panels of 16, 24 and 28
// rows; only those that store exactly the mask when padding is kExact; only the pinned one when pinned: one without
// groups in its name stands for every way to store it.
[[nodiscard]] std::vector<Format> candidate_formats(const PlanRequest& request);

// Whether the format has panels that serve the problem's halves (epilogue.h: glu; any format without). Errors:
// kInvalidArgument, kUnsupported, naming the format.
[[nodiscard]] Result<> check_halves(const Problem& problem, const Format& format);

// Why no plan is found among these candidates: there are none, or the target has no kernels for them.
[[nodiscard]] tl::unexpected<Error> no_plan_error(const PlanRequest& request,
                                                  std::span<const Format> formats);

// Checks sizes, problems and pins. Every planner calls it first.
[[nodiscard]] Result<> check_plan_request(const PlanRequest& request);

// Dense columns a problem is planned for: n, or 256 where n = 0 leaves it open.
[[nodiscard]] inline std::int64_t planning_n(const Problem& problem) {
  return problem.n > 0 ? problem.n : 256;
}

// Whether a kernel of one of the problems may walk block columns: count_stored() counts them then.
[[nodiscard]] bool walks_block_columns(const PlanRequest& request);

// What an M x K matrix that stores so much in the format makes of the operation: input of estimate_work.
[[nodiscard]] BlockCounts block_counts(const Problem& problem, const Format& format,
                                       const StoredCounts& stored);

// Whether a schedule is for a matrix of this size: not with chunks where one holds all rows, nor with panels wider than
// the matrix. The schedule is legal (registry.h).
[[nodiscard]] bool suits(const KernelSpec& spec, const BlockCounts& counts);

// What every part of a call does for itself where Splits::repeats_packing: the call without its blocks.
[[nodiscard]] BlockCounts without_blocks(const BlockCounts& counts);

// The longest thread's share of a call over n > 0 columns, from 1/threads to 1: a kernel that may be cut neither over
// panels nor, for want of columns, over n leaves all work to one thread.
[[nodiscard]] double longest_share(const Splits& splits, const BlockCounts& counts, std::int64_t n,
                                   std::int32_t threads);

// Threads that a plan without a record is made for: the largest power of two not above. So few plans serve all
// machines, and an ahead-of-time bundle can hold the kernels of each.
[[nodiscard]] inline std::int32_t planning_threads(std::int32_t threads) {
  return static_cast<std::int32_t>(std::bit_floor(static_cast<std::uint32_t>(threads)));
}

// A task should outlast its dispatch: 2^18 flop are about 4 us at 64 GFLOP/s, an OpenMP region 1 to 3 us.
inline constexpr double kMinTaskFlops = 262144;

// Tasks that a call over n dense columns of `stored` weights is worth cutting into; a small one runs in place.
[[nodiscard]] inline std::int64_t worthwhile_tasks(std::int64_t stored, std::int64_t n) {
  return 1 + static_cast<std::int64_t>(2.0 * static_cast<double>(stored) * static_cast<double>(n) /
                                       kMinTaskFlops);
}

// Cycles of one core for an amount of work: the busiest of the target's pipes and the memory path, plus what does
// not overlap (transposes, register tiles filled and drained). For ranking; the tuner puts measured rates in.
[[nodiscard]] double estimate_cycles(const WorkEstimate& work, const Target& target);

// Every legal schedule of one problem, the cheapest first by estimate_cycles of the longest thread's share, for as many
// of planning_threads(threads) as there are worthwhile_tasks.
[[nodiscard]] std::vector<Schedule> rank_schedules(const Problem& problem, const Format& format,
                                                   const StoredCounts& stored, const Target& target,
                                                   std::int32_t threads);

// Answers from the record store if it holds a record for this request, else ranks every candidate by the estimate of
// templates/registry.h with the target's rates (no clock). Thread-safe.
class DefaultPlanner : public Planner {
 public:
  // Fingerprint of the machine whose records count (targets/host.h). Empty: records are not read.
  explicit DefaultPlanner(std::string fingerprint) : fingerprint_(std::move(fingerprint)) {}
  [[nodiscard]] Result<Plan> plan(const PlanRequest& request) override;

 private:
  std::string fingerprint_;
};

}  // namespace lacuna
