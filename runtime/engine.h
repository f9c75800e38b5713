// SPDX-License-Identifier: Apache-2.0
//
// Engine: target, caches and planner of one process; hands out loaded kernels. ExecutablePlan: a plan bound to a
// mask, with its kernels loaded and its work split, ready to execute. The C ABI (lacuna.h) wraps both.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "codegen/kernel.h"
#include "codegen/object_cache.h"
#include "runtime/parallel.h"
#include "runtime/planner.h"
#include "runtime/structure.h"
#include "runtime/task_split.h"
#include "templates/abi.h"
#include "templates/pattern_code.h"
#include "templates/registry.h"

namespace lacuna {

inline constexpr std::int32_t kMaxThreads = 4096;  // of an engine

struct EngineOptions {
  std::optional<Target> target;  // default: the host
  std::optional<std::filesystem::path>
      cache_folder;  // default: user_cache_folder()/v1/objects; "" = no disk cache
  std::vector<std::filesystem::path>
      bundle_folders;        // AOT bundles (read only), searched before the cache;
                             // $LACUNA_BUNDLE (':'-separated) is appended
  std::int32_t threads = 0;  // up to kMaxThreads; 0 = OpenMP's default
};

// Thread-safe. Outlives every ExecutablePlan made from it.
class Engine {
 public:
  [[nodiscard]] static Result<std::unique_ptr<Engine>> create(const EngineOptions& options);

  [[nodiscard]] const Target& target() const { return target_; }
  [[nodiscard]] const std::string& fingerprint() const { return fingerprint_; }
  [[nodiscard]] std::int32_t threads() const { return threads_; }
  [[nodiscard]] const std::string& note() const {
    return note_;
  }  // "no AVX-512: using AVX2", or empty
  [[nodiscard]] Planner& planner() { return *planner_; }
  void set_planner(std::unique_ptr<Planner> planner) { planner_ = std::move(planner); }

  // From memory, else a bundle, else the disk cache, else the code generator (then stored in the cache).
  // The kernel stays loaded as long as the engine lives. What the code generator rejects (kCompile) is remembered, in
  // the cache too, and not compiled again.
  [[nodiscard]] Result<const LoadedKernel*> kernel(const KernelSpec& spec);
  // The code of baked panels, from a bundle, the disk cache, or compiled; the caller's alone, as a mask is. Errors: as
  // kernel(), and kUnsupported where the code would be too large.
  [[nodiscard]] Result<std::shared_ptr<const LoadedKernel>> pattern_code(const Pattern& pattern);
  // What the last fault of the disk cache was (a full disk, a read-only folder); empty if none.
  [[nodiscard]] std::string cache_fault() const;

  struct Counters {
    std::int64_t memory_hits = 0, bundle_hits = 0, cache_hits = 0, compiled = 0;
  };
  [[nodiscard]] Counters counters() const;

  ~Engine();

 private:
  Engine();
  Target target_;
  std::string fingerprint_, note_;
  std::int32_t threads_ = 1;
  std::unique_ptr<Planner> planner_;
  struct Store;  // loaded kernels, caches, counters, behind a mutex
  std::unique_ptr<Store> store_;
};

// Dense operands of one call. Roles as in templates/problem.h, types of elements as the problem says.
struct Operands {
  void* values = nullptr;  // values_count() elements; read by spmm*, written by sddmm
  const void* b = nullptr;
  std::int64_t ldb = 0;
  void* c = nullptr;  // read by sddmm, written otherwise
  std::int64_t ldc = 0;
  const float* bias = nullptr;
  std::int64_t n = 0;  // dense columns of this call
  // The epilogue's (epilogue.h), where it has them; the dense ones lie like C and are of its type.
  const float* scale = nullptr;  // one factor, or one for each row of C
  const void* preactivation = nullptr;
  std::int64_t ld_preactivation = 0;
  const void* gate = nullptr;
  std::int64_t ld_gate = 0;
  const void* residual = nullptr;
  std::int64_t ld_residual = 0;
  const float* scale_columns = nullptr;  // one for each column of C
  const float* codebook =
      nullptr;  // of values that are indices: codebook_entries() numbers, the first 0
};

// Immutable after create; execute may be called from several threads on different outputs.
class ExecutablePlan {
 public:
  // Plans (unless `plan` is given), builds the structure, loads the kernels.
  [[nodiscard]] static Result<std::unique_ptr<ExecutablePlan>> create(
      Engine& engine, const PlanRequest& request, std::optional<Plan> plan = std::nullopt);

  // Checks operands (null pointers, leading dimensions, n), then runs. m, k or n = 0 is legal and does what the
  // algebra says (an empty sum leaves epilogue(0 (+ C))). The result does not depend on the number of threads (the
  // choice of plan may: PlanRequest::threads).
  // Errors: kInvalidArgument naming operand, value and limit.
  [[nodiscard]] Result<> execute(std::size_t problem, const Operands& operands) const;
  [[nodiscard]] Result<> execute(std::size_t problem, const Operands& operands,
                                 const ParallelFor& parallel) const;

  [[nodiscard]] const Structure& structure() const { return structure_; }
  [[nodiscard]] const Plan& plan() const { return plan_; }
  [[nodiscard]] const std::vector<Problem>& problems() const { return problems_; }
  [[nodiscard]] std::int64_t values_count() const { return lacuna::values_count(structure_); }
  [[nodiscard]] std::string kernel_name_of(std::size_t problem) const;

 private:
  ExecutablePlan() = default;
  struct BoundKernel {
    KernelSpec spec;
    SparseKernel function = nullptr;
    Splits splits;
    std::vector<PanelCut> panel_cuts;     // where a call may be cut into tasks (task_split.h)
    std::vector<std::int64_t> chunk_ptr;  // the index cut into chunks, where the schedule has kc
    std::shared_ptr<const LoadedKernel> pattern_code;  // of baked panels, else null
  };
  // What of a kernel follows from the mask. The structure has its panels.
  [[nodiscard]] Result<> bind_to_structure(Engine& engine, const Problem& problem,
                                           BoundKernel& kernel);
  Structure structure_;
  Plan plan_;
  std::vector<Problem> problems_;
  std::vector<BoundKernel> kernels_;
  Target target_;
  std::int32_t threads_ = 1;
};

}  // namespace lacuna
