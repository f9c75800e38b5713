// SPDX-License-Identifier: Apache-2.0
//
// The C ABI (lacuna.h) but for masks (c_api_mask.cpp): checks what C callers can get wrong, then calls Engine and
// ExecutablePlan. What callers hand over is read in c_structs.cpp.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <tl/expected.hpp>
#include <utility>
#include <vector>

#include "lacuna/lacuna.h"
#include "runtime/c_api_support.h"
#include "runtime/c_structs.h"
#include "runtime/codebook.h"
#include "runtime/engine.h"
#include "runtime/mask.h"
#include "runtime/parallel.h"
#include "runtime/planner.h"
#include "runtime/structure.h"
#include "targets/base/dtype.h"
#include "targets/base/fields.h"
#include "targets/base/result.h"
#include "targets/target_yaml.h"
#include "templates/element_types.h"
#include "templates/format.h"
#include "templates/problem.h"

struct lacuna_context {
  std::unique_ptr<lacuna::Engine> engine;
  lacuna::ParallelFor parallel;
};

struct lacuna_plan {
  std::unique_ptr<lacuna::ExecutablePlan> executable;
  lacuna::ParallelFor parallel;
  std::string format, provenance;
  std::vector<std::string> kernels;
};

namespace lacuna {
namespace {

Result<std::unique_ptr<lacuna_context>> make_context(const lacuna_context_options* given) {
  lacuna_context_options options{};
  if (given != nullptr) {
    LACUNA_TRY(options, read_struct(given, "options"));
  }
  EngineOptions engine_options;
  if (options.cache_folder != nullptr) engine_options.cache_folder = options.cache_folder;
  if (options.bundle_folder != nullptr)
    engine_options.bundle_folders.emplace_back(options.bundle_folder);
  if (options.target != nullptr) {
    LACUNA_TRY(engine_options.target, find_target(options.target));
  }
  const bool own_pool = options.parallel_for != nullptr;
  engine_options.threads = own_pool && options.threads == 0 ? 1 : options.threads;
  auto context = std::make_unique<lacuna_context>();
  LACUNA_TRY(context->engine, Engine::create(engine_options));
  const std::int32_t threads = context->engine->threads();
  context->parallel = own_pool ? ParallelFor{options.parallel_for, options.pool, threads}
                               : openmp_parallel_for(threads);
  return context;
}

Result<std::optional<Format>> pinned_format(const lacuna_plan_options& options) {
  if (options.format != nullptr) {
    LACUNA_TRY(const Format format, parse_format(options.format));
    return format;
  }
  if (options.block_r == 0 && options.block_c == 0) return std::nullopt;
  LACUNA_TRY_VOID(require_in(options.block_r, 1, kMaxBlockDim, "block_r"));
  LACUNA_TRY_VOID(require_in(options.block_c, 1, kMaxBlockDim, "block_c"));
  return Bsr{options.block_r, options.block_c};
}

Result<std::unique_ptr<lacuna_plan>> make_plan(lacuna_context& context, PlanRequest request,
                                               const lacuna_plan_options* given) {
  lacuna_plan_options options{};
  if (given != nullptr) {
    LACUNA_TRY(options, read_struct(given, "options"));
  }
  LACUNA_TRY_VOID(require_in(options.exact, 0, 1, "exact"));
  LACUNA_TRY(request.pinned_format, pinned_format(options));
  request.padding = options.exact == 1 ? Padding::kExact : Padding::kAny;
  request.target = context.engine->target();
  request.threads = context.engine->threads();
  auto plan = std::make_unique<lacuna_plan>();
  LACUNA_TRY(plan->executable, ExecutablePlan::create(*context.engine, request));
  plan->parallel = context.parallel;
  plan->format = to_text(plan->executable->plan().format);
  plan->provenance = to_text(plan->executable->plan().provenance);
  for (std::size_t i = 0; i < request.problems.size(); ++i)
    plan->kernels.push_back(plan->executable->kernel_name_of(i));
  return plan;
}

// The problem's own, of a plan that a caller asks about.
const Problem* find_problem(const lacuna_plan* plan, std::size_t problem) {
  if (plan == nullptr || problem >= plan->executable->problems().size()) return nullptr;
  return &plan->executable->problems()[problem];
}

// A dense matrix and a buffer of values that are packed or unpacked.
struct PackedPair {
  const void* a = nullptr;
  std::int64_t lda = 0;
  std::int32_t type = LACUNA_TYPE_F32;  // of a
  const void* values = nullptr;
};

// Returns the type of the values.
Result<DType> check_pack(const lacuna_plan* plan, std::size_t number, const PackedPair& given) {
  LACUNA_TRY_VOID(require(plan, "plan"));
  const Problem* const problem = find_problem(plan, number);
  if (problem == nullptr)
    return make_error(ErrorCode::kInvalidArgument, "problem {} is not below the plan's {}", number,
                      plan->executable->problems().size());
  LACUNA_TRY_VOID(require_in(given.type, 0, LACUNA_TYPE_S32, "type"));
  const auto type = static_cast<DType>(given.type);
  const DType values = values_type(*problem);
  if (type != DType::kF32 && type != values)
    return make_error(ErrorCode::kInvalidArgument,
                      "a is of {}, but values of {} are packed from f32 or from {}", to_text(type),
                      to_text(values), to_text(values));
  LACUNA_TRY(const std::size_t extent, extent_of(problem->m, problem->k, given.lda));
  if (extent != 0) LACUNA_TRY_VOID(require(given.a, "a"));
  if (plan->executable->values_count() != 0) LACUNA_TRY_VOID(require(given.values, "values"));
  return values;
}

}  // namespace
}  // namespace lacuna

using lacuna::guarded;
using lacuna::make_handle;

const char* lacuna_last_error(void) {
  return lacuna::last_error.text;
}

const char* lacuna_version(void) {
  return LACUNA_VERSION;
}

lacuna_status lacuna_context_create(const lacuna_context_options* options, lacuna_context** out) {
  return make_handle(out, [&] { return lacuna::make_context(options); });
}

void lacuna_context_destroy(lacuna_context* context) {
  delete context;
}

const char* lacuna_context_note(const lacuna_context* context) {
  return context == nullptr ? "" : context->engine->note().c_str();
}

lacuna_status lacuna_plan_create(lacuna_context* context, const lacuna_mask* mask,
                                 const lacuna_problem* problems, size_t problem_count,
                                 const lacuna_plan_options* options, lacuna_plan** out) {
  return make_handle(out, [&]() -> lacuna::Result<std::unique_ptr<lacuna_plan>> {
    LACUNA_TRY_VOID(lacuna::require(context, "context"));
    LACUNA_TRY_VOID(lacuna::require(mask, "mask"));
    lacuna::PlanRequest request;
    request.mask = &mask->mask;
    LACUNA_TRY(request.problems, lacuna::make_problems(problems, problem_count, mask->mask));
    return lacuna::make_plan(*context, std::move(request), options);
  });
}

void lacuna_plan_destroy(lacuna_plan* plan) {
  delete plan;
}

int64_t lacuna_plan_values_count(const lacuna_plan* plan) {
  return plan == nullptr ? 0 : plan->executable->values_count();
}
const char* lacuna_plan_format(const lacuna_plan* plan) {
  return plan == nullptr ? "" : plan->format.c_str();
}
const char* lacuna_plan_kernel(const lacuna_plan* plan, size_t problem) {
  return plan == nullptr || problem >= plan->kernels.size() ? "" : plan->kernels[problem].c_str();
}
const char* lacuna_plan_provenance(const lacuna_plan* plan) {
  return plan == nullptr ? "" : plan->provenance.c_str();
}

int32_t lacuna_type_bytes(int32_t type) {
  return type < 0 || type > LACUNA_TYPE_S32 ? 0
                                            : lacuna::size_bytes(static_cast<lacuna::DType>(type));
}
int32_t lacuna_plan_type_of_values(const lacuna_plan* plan, size_t problem) {
  const lacuna::Problem* const found = lacuna::find_problem(plan, problem);
  return found == nullptr ? -1 : static_cast<int32_t>(lacuna::values_type(*found));
}
int32_t lacuna_plan_type_of_b(const lacuna_plan* plan, size_t problem) {
  const lacuna::Problem* const found = lacuna::find_problem(plan, problem);
  return found == nullptr ? -1 : static_cast<int32_t>(lacuna::operand_types(found->types).dense);
}
int32_t lacuna_plan_type_of_c(const lacuna_plan* plan, size_t problem) {
  const lacuna::Problem* const found = lacuna::find_problem(plan, problem);
  return found == nullptr ? -1 : static_cast<int32_t>(lacuna::dense_type_of_c(*found));
}

lacuna_status lacuna_plan_pack(const lacuna_plan* plan, const float* a, int64_t lda, void* values) {
  return lacuna_plan_pack_from(plan, 0, a, LACUNA_TYPE_F32, lda, values);
}

lacuna_status lacuna_plan_unpack(const lacuna_plan* plan, const void* values, float* a,
                                 int64_t lda) {
  return lacuna_plan_unpack_to(plan, 0, values, a, LACUNA_TYPE_F32, lda);
}

lacuna_status lacuna_plan_pack_from(const lacuna_plan* plan, size_t problem, const void* a,
                                    int32_t type, int64_t lda, void* values) {
  return guarded([&]() -> lacuna::Result<> {
    LACUNA_TRY(const lacuna::DType packed,
               lacuna::check_pack(plan, problem, {a, lda, type, values}));
    lacuna::pack_elements(plan->executable->structure(), static_cast<lacuna::DType>(type), a, lda,
                          packed, values);
    return lacuna::check_indices(*lacuna::find_problem(plan, problem), values,
                                 plan->executable->values_count());
  });
}

lacuna_status lacuna_plan_unpack_to(const lacuna_plan* plan, size_t problem, const void* values,
                                    void* a, int32_t type, int64_t lda) {
  return guarded([&]() -> lacuna::Result<> {
    LACUNA_TRY(const lacuna::DType packed,
               lacuna::check_pack(plan, problem, {a, lda, type, values}));
    lacuna::unpack_elements(plan->executable->structure(), packed, values,
                            static_cast<lacuna::DType>(type), a, lda);
    return {};
  });
}

lacuna_status lacuna_codebook_make(const float* weights, int64_t count, int32_t bits,
                                   float* codebook, uint8_t* indices) {
  return guarded([&]() -> lacuna::Result<> {
    LACUNA_TRY_VOID(lacuna::require_in(count, 0, std::int64_t{1} << 60, "count"));
    if (count != 0) LACUNA_TRY_VOID(lacuna::require(weights, "weights"));
    if (count != 0) LACUNA_TRY_VOID(lacuna::require(indices, "indices"));
    LACUNA_TRY_VOID(lacuna::require(codebook, "codebook"));
    LACUNA_TRY(const lacuna::Codebook made,
               lacuna::make_codebook({weights, static_cast<std::size_t>(count)}, bits));
    std::ranges::copy(made.entries, codebook);
    std::ranges::copy(made.indices, indices);
    return {};
  });
}

lacuna_status lacuna_plan_execute(const lacuna_plan* plan, size_t problem,
                                  const lacuna_operands* operands) {
  return guarded([&]() -> lacuna::Result<> {
    LACUNA_TRY_VOID(lacuna::require(plan, "plan"));
    LACUNA_TRY_VOID(lacuna::require(operands, "operands"));
    LACUNA_TRY(const lacuna::Operands given, lacuna::make_operands(*operands));
    return plan->executable->execute(problem, given, plan->parallel);
  });
}
