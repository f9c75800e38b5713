// SPDX-License-Identifier: Apache-2.0
//
// ExecutablePlan: binding kernels to a mask, splitting one call into tasks, checking operands.
//
// A task is a range of panels x a range of dense columns. Each element of the output is computed by one task, in an
// order of summation that the kernel fixes, so no split changes a bit of the result.
#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>
#include <sys/mman.h>
#include <utility>
#include <vector>

#include "codegen/kernel.h"
#include "runtime/engine.h"
#include "runtime/operand_checks.h"
#include "runtime/parallel.h"
#include "runtime/planner.h"
#include "runtime/structure.h"
#include "targets/base/dtype.h"
#include "targets/base/fields.h"
#include "targets/base/result.h"
#include "targets/target.h"
#include "templates/abi.h"
#include "templates/element_types.h"
#include "templates/format.h"
#include "templates/kernel_spec.h"
#include "templates/problem.h"
#include "templates/registry.h"
#include "templates/schedule.h"

namespace lacuna {
namespace {

constexpr std::int64_t kTasksPerThread =
    4;  // enough to even out unequal tasks and cores, few enough to be cheap
constexpr std::int64_t kFinePanelParts = 256;

// How an op maps onto the kernel's arguments.
struct Roles {
  const PanelIndex* index = nullptr;
  std::int64_t rows_out = 0, rows_in = 0;  // as in abi.h
};

Roles roles_of(const KernelSpec& spec, const Problem& problem, const Structure& s) {
  const PanelIndex& index = panel_index(s, panel_direction(spec));
  const auto [m, k] = std::pair(problem.m, problem.k);
  switch (spec.op) {
    case Op::kSpmm:
      return {&index, m, k};
    case Op::kSpmmTransposed:
      return {&index, k, m};
    case Op::kSddmm:
      return {&index, m, k};
  }
  return {};
}

// Boundaries of up to `parts` panel ranges of about equal work; a panel costs its entries, of jammed rows its weights
// too, and its epilogue.
std::vector<std::int64_t> cut_panels(const PanelIndex& index, std::int64_t parts) {
  const std::int64_t panels = index.panels();
  const auto work_before = [&](std::int64_t panel) {
    const std::int64_t weights =
        index.first_value.empty() ? 0 : index.first_value[static_cast<std::size_t>(panel)];
    return index.entries_before(panel) + weights + panel;
  };
  const std::int64_t total = work_before(panels);
  std::vector<std::int64_t> cuts{0};
  for (std::int64_t part = 1; part < parts; ++part) {
    const auto target = static_cast<std::int64_t>(
        static_cast<double>(total) * static_cast<double>(part) / static_cast<double>(parts));
    std::int64_t panel = cuts.back();
    while (panel < panels && work_before(panel) < target)
      ++panel;
    if (panel > cuts.back() && panel < panels) cuts.push_back(panel);
  }
  cuts.push_back(panels);
  return cuts;
}

// Scratch of the calling thread, kept between calls. Null when there is no memory. From a quarter of a huge page on it
// asks for huge pages: packed operands are walked by columns, a page a step.
float* thread_scratch(std::int64_t floats) {
  struct Free {
    void operator()(float* p) const { std::free(p); }
  };
  thread_local std::unique_ptr<float[], Free> buffer;
  thread_local std::int64_t capacity = 0;
  if (floats > capacity) {
    constexpr std::size_t kCacheLine = 64;
    constexpr std::size_t kHugePage = std::size_t{2} << 20;
    const std::size_t wanted = static_cast<std::size_t>(floats) * sizeof(float);
    const bool huge = wanted >= kHugePage / 4;
    const std::size_t alignment = huge ? kHugePage : kCacheLine;
    const std::size_t bytes = (wanted + alignment - 1) / alignment * alignment;
    buffer.reset();
    capacity = 0;
    buffer.reset(static_cast<float*>(std::aligned_alloc(alignment, bytes)));
    if (buffer == nullptr) return nullptr;
    capacity = static_cast<std::int64_t>(bytes / sizeof(float));
    if (huge) ::madvise(buffer.get(), bytes, MADV_HUGEPAGE);  // a wish: refusal changes nothing
  }
  return buffer.get();
}

// One call cut into tasks: number t is panel part t / n_parts and n part t % n_parts.
struct TaskGrid {
  const KernelSpec* spec = nullptr;
  const Target* target = nullptr;
  SparseKernel function = nullptr;
  const std::vector<std::int64_t>* cuts = nullptr;
  std::int64_t panel_parts = 1, n_parts = 1, n_granule = 1;
  KernelArgs args{};  // of the whole call
  std::atomic<std::int64_t> missing_scratch_floats{0};

  [[nodiscard]] std::int64_t tasks() const { return panel_parts * n_parts; }
  [[nodiscard]] std::int64_t panel_cut(std::int64_t part) const {
    const auto fine_parts = static_cast<std::int64_t>(cuts->size()) - 1;
    return (*cuts)[static_cast<std::size_t>(part * fine_parts / panel_parts)];
  }
  [[nodiscard]] std::int64_t n_cut(std::int64_t part) const {
    const std::int64_t n = args.n_end;
    const std::int64_t granules = (n + n_granule - 1) / n_granule;
    return std::min(n, part * granules / n_parts * n_granule);
  }
  void run(std::int64_t task) {
    KernelArgs part = args;
    part.panel_begin = panel_cut(task / n_parts);
    part.panel_end = panel_cut(task / n_parts + 1);
    part.n_begin = n_cut(task % n_parts);
    part.n_end = n_cut(task % n_parts + 1);
    const std::int64_t floats =
        scratch_floats(*spec, *target, part.rows_in, part.rows_out, part.n_end - part.n_begin);
    part.scratch = floats == 0 ? nullptr : thread_scratch(floats);
    if (floats != 0 && part.scratch == nullptr) {
      missing_scratch_floats = floats;
      return;
    }
    function(&part);
  }
};

// Splits the dimension whose operand the loop order does not keep in cache; the other one only if that is not enough.
void choose_parts(TaskGrid& grid, const Splits& splits, std::int64_t wanted) {
  const auto max_panel_parts = splits.panels ? static_cast<std::int64_t>(grid.cuts->size()) - 1 : 1;
  const std::int64_t max_n_parts =
      splits.n ? (grid.args.n_end + splits.n_granule - 1) / splits.n_granule : 1;
  const auto rest = [&](std::int64_t parts) { return (wanted + parts - 1) / parts; };
  grid.n_granule = splits.n_granule;
  if (grid.spec->schedule.order == LoopOrder::kPanelOuter) {
    grid.panel_parts = std::clamp<std::int64_t>(wanted, 1, max_panel_parts);
    grid.n_parts = std::clamp<std::int64_t>(rest(grid.panel_parts), 1, max_n_parts);
  } else {
    grid.n_parts = std::clamp<std::int64_t>(wanted, 1, max_n_parts);
    grid.panel_parts = std::clamp<std::int64_t>(rest(grid.n_parts), 1, max_panel_parts);
  }
}

KernelArgs make_args(const Roles& roles, const Operands& operands) {
  KernelArgs args{};
  args.values = operands.values;
  args.ptr = roles.index->ptr.data();
  args.origin = roles.index->origin.data();
  args.block = roles.index->block.empty() ? nullptr : roles.index->block.data();
  args.first_value = roles.index->first_value.empty() ? nullptr : roles.index->first_value.data();
  args.b = operands.b;
  args.c = operands.c;
  args.bias = operands.bias;
  args.ldb = operands.ldb;
  args.ldc = operands.ldc;
  args.rows_out = roles.rows_out;
  args.rows_in = roles.rows_in;
  args.panel_end = roles.index->panels();
  args.n_end = operands.n;
  args.scale = operands.scale;
  args.preactivation = operands.preactivation;
  args.gate = operands.gate;
  args.residual = operands.residual;
  args.ld_preactivation = operands.ld_preactivation;
  args.ld_gate = operands.ld_gate;
  args.ld_residual = operands.ld_residual;
  return args;
}

Result<PlanRequest> bind_to_engine(const PlanRequest& request, const Engine& engine) {
  PlanRequest bound = request;
  if (bound.target.name.empty()) bound.target = engine.target();
  if (bound.target != engine.target())
    return make_error(ErrorCode::kInvalidArgument,
                      "the plan is for target {}, the engine's target is {}", bound.target.name,
                      engine.target().name);
  LACUNA_TRY_VOID(check_plan_request(bound));
  return bound;
}

Result<> check_plan(const Plan& plan, const PlanRequest& request) {
  if (plan.schedules.size() != request.problems.size())
    return make_error(ErrorCode::kInvalidArgument, "the plan has {} schedules for {} problems",
                      plan.schedules.size(), request.problems.size());
  return {};
}

// Whether another schedule may do where this one cannot be had: the code generator rejects it (a spill in a loop), or
// there is none and no cache holds the kernel.
bool another_may_do(const Error& error) {
  return error.code == ErrorCode::kCompile || error.code == ErrorCode::kUnsupported;
}

// A planner picks by estimate; where its schedule cannot be had, the next best one takes its place. Where the caller
// gave the plan, the fault is his to know.
Result<const LoadedKernel*> load_first_to_be_had(Engine& engine, const Problem& problem,
                                                 const StoredCounts& stored, std::int32_t threads,
                                                 KernelSpec& spec) {
  auto loaded = engine.kernel(spec);
  if (loaded || !another_may_do(loaded.error())) return loaded;
  for (const Schedule& schedule :
       rank_schedules(problem, spec.format, stored, engine.target(), threads)) {
    spec.schedule = schedule;
    auto other = engine.kernel(spec);
    if (other || !another_may_do(other.error())) return other;
    // Of the faults, a missing code generator is the one that can be mended.
    if (other.error().code == ErrorCode::kUnsupported) loaded = std::move(other);
  }
  return loaded;
}

}  // namespace

Result<std::unique_ptr<ExecutablePlan>> ExecutablePlan::create(Engine& engine,
                                                               const PlanRequest& request,
                                                               std::optional<Plan> plan) {
  LACUNA_TRY(const PlanRequest bound, bind_to_engine(request, engine));
  const bool chosen_here = !plan;
  if (chosen_here) {
    LACUNA_TRY(plan, engine.planner().plan(bound));
  }
  LACUNA_TRY_VOID(check_plan(*plan, bound));

  std::unique_ptr<ExecutablePlan> made(new ExecutablePlan);
  LACUNA_TRY(made->structure_, make_structure(*bound.mask, plan->format));
  if (bound.padding == Padding::kExact && !is_exact(made->structure_, *bound.mask))
    return make_error(ErrorCode::kInvalidArgument,
                      "format {} would store elements outside the mask", to_text(plan->format));
  made->plan_ = std::move(*plan);
  made->plan_.format = format_of(made->structure_);  // clamped to m and k
  made->problems_ = bound.problems;
  made->target_ = engine.target();
  made->threads_ = bound.threads;

  const StoredCounts stored = stored_in(made->structure_);
  const std::int64_t parts = std::max(kFinePanelParts, kTasksPerThread * bound.threads);
  for (std::size_t i = 0; i < bound.problems.size(); ++i) {
    BoundKernel kernel;
    kernel.spec = make_kernel_spec(bound.problems[i], made->plan_.format, made->plan_.schedules[i]);
    LACUNA_TRY(const LoadedKernel* const loaded,
               chosen_here ? load_first_to_be_had(engine, bound.problems[i], stored, bound.threads,
                                                  kernel.spec)
                           : engine.kernel(kernel.spec));
    made->plan_.schedules[i] = kernel.spec.schedule;
    kernel.function = reinterpret_cast<SparseKernel>(loaded->address());
    kernel.splits = allowed_splits(kernel.spec, made->target_);
    kernel.panel_cuts =
        cut_panels(panel_index(made->structure_, panel_direction(kernel.spec)), parts);
    made->kernels_.push_back(std::move(kernel));
  }
  return made;
}

Result<> ExecutablePlan::execute(std::size_t problem, const Operands& operands) const {
  return execute(problem, operands, openmp_parallel_for(threads_));
}

Result<> ExecutablePlan::execute(std::size_t problem, const Operands& operands,
                                 const ParallelFor& parallel) const {
  if (problem >= kernels_.size())
    return make_error(ErrorCode::kInvalidArgument, "problem {} is not below the plan's {}", problem,
                      kernels_.size());
  const BoundKernel& kernel = kernels_[problem];
  const Roles roles = roles_of(kernel.spec, problems_[problem], structure_);
  LACUNA_TRY_VOID(check_operands(problems_[problem], values_count(), operands));
  const bool writes_values = kernel.spec.op == Op::kSddmm;
  const DType type = values_type(problems_[problem]);
  if (operands.n == 0) {  // an empty sum: zero for sddmm; spmm has no output at all
    if (writes_values && !kernel.spec.accumulate)
      std::memset(operands.values, 0, static_cast<std::size_t>(values_count() * size_bytes(type)));
    return {};
  }
  if (roles.rows_out == 0 || (writes_values && values_count() == 0)) return {};

  TaskGrid grid;
  grid.spec = &kernel.spec;
  grid.target = &target_;
  grid.function = kernel.function;
  grid.cuts = &kernel.panel_cuts;
  grid.args = make_args(roles, operands);
  if (parallel.run == nullptr || parallel.threads <= 1) {
    grid.run(0);
  } else {
    const std::int64_t per_thread = kernel.splits.repeats_packing ? 1 : kTasksPerThread;
    const std::int64_t wanted =
        std::min(per_thread * parallel.threads, worthwhile_tasks(values_count(), operands.n));
    choose_parts(grid, kernel.splits, wanted);
    if (grid.tasks() == 1) {
      grid.run(0);
    } else {
      parallel.run(
          parallel.pool, grid.tasks(),
          [](void* context, std::int64_t task) { static_cast<TaskGrid*>(context)->run(task); },
          &grid);
    }
  }
  if (const std::int64_t floats = grid.missing_scratch_floats; floats != 0)
    return make_error(ErrorCode::kIo, "no memory for {} floats of scratch", floats);
  if (writes_values) clear_unowned(structure_, type, operands.values);
  return {};
}

std::string ExecutablePlan::kernel_name_of(std::size_t problem) const {
  return problem < kernels_.size() ? kernel_name(kernels_[problem].spec, target_.name)
                                   : std::string();
}

}  // namespace lacuna
