// SPDX-License-Identifier: Apache-2.0
//
// ExecutablePlan: binding kernels to a mask, checking operands, running one call as tasks (task_split.h).
#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <sys/mman.h>
#include <utility>
#include <vector>

#include "codegen/kernel.h"
#include "runtime/baked_structure.h"
#include "runtime/engine.h"
#include "runtime/operand_checks.h"
#include "runtime/parallel.h"
#include "runtime/planner.h"
#include "runtime/structure.h"
#include "runtime/task_split.h"
#include "targets/base/dtype.h"
#include "targets/base/fields.h"
#include "targets/base/result.h"
#include "targets/target.h"
#include "templates/abi.h"
#include "templates/element_types.h"
#include "templates/format.h"
#include "templates/kernel_spec.h"
#include "templates/panel_cost.h"
#include "templates/problem.h"
#include "templates/registry.h"
#include "templates/schedule.h"

namespace lacuna {
namespace {

// Enough to even out unequal tasks and cores, few enough to be cheap: with 8, two threads were 1.85 times as fast as one
// on skewed rows instead of 1.93 times (16 x 16 blocks, 1024 x 256 x 1024, density 0.1).
constexpr std::int64_t kTasksPerThread = 4;
// Cuts that a plan keeps for each task of a call: one that a call chooses is off by at most half of a sixteenth.
constexpr std::int64_t kCutsPerTask = 16;
constexpr std::int64_t kFewestCuts = 256;

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
      return {&index, rows_of_c(problem), k};
    case Op::kSpmmTransposed:
      return {&index, k, m};
    case Op::kSddmm:
      return {&index, m, k};
  }
  return {};
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

// One call and its tasks.
struct Call {
  const KernelSpec* spec = nullptr;
  const Target* target = nullptr;
  SparseKernel function = nullptr;
  KernelArgs args{};  // of the whole call
  std::vector<Task> tasks;
  std::atomic<std::int64_t> missing_scratch_floats{0};

  void run(const Task& task) {
    KernelArgs part = args;
    part.panel_begin = task.panel_begin;
    part.panel_end = task.panel_end;
    part.n_begin = task.n_begin;
    part.n_end = task.n_end;
    const std::int64_t floats =
        scratch_floats(*spec, *target, part.rows_in, part.rows_out, part.n_end - part.n_begin);
    part.scratch = floats == 0 ? nullptr : thread_scratch(floats);
    if (floats != 0 && part.scratch == nullptr) {
      missing_scratch_floats = floats;
      return;
    }
    function(&part);
  }
  void run_whole() { run({0, args.panel_end, 0, args.n_end}); }
};

KernelArgs make_args(const Roles& roles, std::span<const std::int64_t> chunk_ptr,
                     const Operands& operands) {
  KernelArgs args{};
  args.values = operands.values;
  args.ptr = chunk_ptr.empty() ? roles.index->ptr.data() : chunk_ptr.data();
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
  args.scale_columns = operands.scale_columns;
  args.codebook = operands.codebook;
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
                                                 const Mask& mask, std::int32_t threads,
                                                 KernelSpec& spec) {
  auto loaded = engine.kernel(spec);
  if (loaded || !another_may_do(loaded.error())) return loaded;
  const StoredCounts stored = count_stored(mask, std::span(&spec.format, 1), true).front();
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
  for (const Problem& problem : bound.problems)
    LACUNA_TRY_VOID(check_halves(problem, made->plan_.format));
  made->target_ = engine.target();
  made->threads_ = bound.threads;
  for (std::size_t i = 0; i < bound.problems.size(); ++i) {
    BoundKernel kernel;
    kernel.spec = make_kernel_spec(bound.problems[i], made->plan_.format, made->plan_.schedules[i]);
    LACUNA_TRY(const LoadedKernel* const loaded,
               chosen_here ? load_first_to_be_had(engine, bound.problems[i], *bound.mask,
                                                  bound.threads, kernel.spec)
                           : engine.kernel(kernel.spec));
    made->plan_.schedules[i] = kernel.spec.schedule;
    kernel.function = reinterpret_cast<SparseKernel>(loaded->address());
    made->kernels_.push_back(std::move(kernel));
  }
  const auto gathers = [](const BoundKernel& kernel) { return gathers_values(kernel.spec); };
  if (std::ranges::any_of(made->kernels_, gathers))
    LACUNA_TRY_VOID(add_block_columns(*bound.mask, made->structure_));
  for (std::size_t i = 0; i < bound.problems.size(); ++i)
    LACUNA_TRY_VOID(made->bind_to_structure(engine, bound.problems[i], made->kernels_[i]));
  return made;
}

Result<> ExecutablePlan::bind_to_structure(Engine& engine, const Problem& problem,
                                           BoundKernel& kernel) {
  const PanelDirection direction = panel_direction(kernel.spec);
  if (const auto* const baked = std::get_if<BakedStructure>(&structure_)) {
    LACUNA_TRY(kernel.pattern_code, engine.pattern_code(pattern_of(*baked, direction)));
  }
  const std::int64_t parts = std::max(kFewestCuts, kCutsPerTask * kTasksPerThread * threads_);
  kernel.splits = allowed_splits(kernel.spec, target_);
  kernel.panel_cuts = cut_panels(panel_index(structure_, direction),
                                 panel_cost(kernel.spec, target_, planning_n(problem)), parts,
                                 kernel.splits.halves);
  if (const std::int32_t kc = kernel.spec.schedule.kc; kc > 0) {
    const Roles roles = roles_of(kernel.spec, problem, structure_);
    kernel.chunk_ptr = cut_into_chunks(*roles.index, kc, chunks_of(kernel.spec, roles.rows_in));
  }
  return {};
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

  Call call;
  call.spec = &kernel.spec;
  call.target = &target_;
  call.function = kernel.function;
  call.args = make_args(roles, kernel.chunk_ptr, operands);
  call.args.panel_end /= kernel.splits.halves;
  call.args.code = kernel.pattern_code == nullptr ? nullptr : kernel.pattern_code->address();
  if (parallel.run != nullptr && parallel.threads > 1) {
    const std::int64_t per_thread = kernel.splits.repeats_packing ? 1 : kTasksPerThread;
    const std::int64_t wanted =
        std::min(per_thread * parallel.threads, worthwhile_tasks(values_count(), operands.n));
    call.tasks = split_call(kernel.panel_cuts, kernel.splits, kernel.spec.schedule.order,
                            operands.n, wanted);
  }
  if (call.tasks.size() > 1)
    parallel.run(
        parallel.pool, static_cast<std::int64_t>(call.tasks.size()),
        [](void* context, std::int64_t task) {
          auto* const running = static_cast<Call*>(context);
          running->run(running->tasks[static_cast<std::size_t>(task)]);
        },
        &call);
  else
    call.run_whole();
  if (const std::int64_t floats = call.missing_scratch_floats; floats != 0)
    return make_error(ErrorCode::kIo, "no memory for {} floats of scratch", floats);
  if (writes_values) clear_unowned(structure_, type, operands.values);
  return {};
}

std::string ExecutablePlan::kernel_name_of(std::size_t problem) const {
  return problem < kernels_.size() ? kernel_name(kernels_[problem].spec, target_.name)
                                   : std::string();
}

}  // namespace lacuna
