// SPDX-License-Identifier: Apache-2.0
//
// The C ABI (lacuna.h): checks what C callers can get wrong, then calls Engine, Mask and ExecutablePlan. Every entry
// point that can fail goes through guarded(), so that no exception leaves the library.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <tl/expected.hpp>
#include <utility>
#include <vector>

#include "lacuna/lacuna.h"
#include "runtime/c_structs.h"
#include "runtime/engine.h"
#include "runtime/mask.h"
#include "runtime/mask_io.h"
#include "runtime/parallel.h"
#include "runtime/planner.h"
#include "targets/base/fields.h"
#include "targets/base/result.h"
#include "targets/target_yaml.h"
#include "templates/format.h"
#include "templates/problem.h"

struct lacuna_context {
  std::unique_ptr<lacuna::Engine> engine;
  lacuna::ParallelFor parallel;
};

struct lacuna_mask {
  lacuna::Mask mask;
};

struct lacuna_plan {
  std::unique_ptr<lacuna::ExecutablePlan> executable;
  lacuna::ParallelFor parallel;
  std::string format, provenance;
  std::vector<std::string> kernels;
};

namespace lacuna {
namespace {

// The message of the calling thread's last failure; `text` is "" or points into `owned` or to a literal.
struct LastError {
  std::string owned;
  const char* text = "";
};
thread_local LastError last_error;

lacuna_status fail(Error error) noexcept {
  last_error.owned = std::move(error.message);
  last_error.text = last_error.owned.c_str();
  return static_cast<lacuna_status>(error.code);
}

lacuna_status fail(ErrorCode code, const char* literal) noexcept {
  last_error.text = literal;
  return static_cast<lacuna_status>(code);
}

// Runs a function that returns Result<>.
template <class F>
lacuna_status guarded(F&& function) noexcept {
  try {
    if (Result<> result = function(); !result) return fail(std::move(result).error());
    return LACUNA_OK;
  } catch (const std::bad_alloc&) {
    return fail(ErrorCode::kIo, "out of memory");
  } catch (...) {  // also what a C++ caller's parallel_for throws
    return fail(ErrorCode::kInternal, "unexpected exception");
  }
}

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

// Elements of `lines` lines of `width` that lie `ld` apart; an error if that overflows.
Result<std::size_t> extent_of(std::int64_t lines, std::int64_t width, std::int64_t ld) {
  std::int64_t extent = 0;
  if (lines <= 0 || width <= 0) return 0;
  if (ld < width)
    return make_error(ErrorCode::kInvalidArgument, "lda {} is less than k {}", ld, width);
  if (__builtin_mul_overflow(lines, ld, &extent) ||
      extent > std::numeric_limits<std::int64_t>::max() / static_cast<std::int64_t>(sizeof(float)))
    return make_error(ErrorCode::kInvalidArgument, "{} rows with lda {} exceed the address space",
                      lines, ld);
  return static_cast<std::size_t>(extent - ld + width);
}

Result<> check_pack(const lacuna_plan* plan, const float* a, std::int64_t lda,
                    const float* values) {
  LACUNA_TRY_VOID(require(plan, "plan"));
  const Problem& problem = plan->executable->problems().front();
  LACUNA_TRY(const std::size_t extent, extent_of(problem.m, problem.k, lda));
  if (extent != 0) LACUNA_TRY_VOID(require(a, "a"));
  if (plan->executable->values_count() != 0) LACUNA_TRY_VOID(require(values, "values"));
  return {};
}

// Makes an object by `make`, and hands its ownership to the caller of the C function.
template <class T, class F>
lacuna_status make_handle(T** out, F&& make) noexcept {
  return guarded([&]() -> Result<> {
    LACUNA_TRY_VOID(require(out, "out"));
    *out = nullptr;
    LACUNA_TRY(std::unique_ptr<T> made, make());
    *out = made.release();
    return {};
  });
}

Result<std::unique_ptr<lacuna_mask>> wrap(Result<Mask> mask) {
  if (!mask) return tl::unexpected<Error>(std::move(mask).error());
  return std::make_unique<lacuna_mask>(lacuna_mask{std::move(*mask)});
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

lacuna_status lacuna_mask_from_dense(int64_t m, int64_t k, const float* a, int64_t lda,
                                     lacuna_mask** out) {
  return make_handle(out, [&]() -> lacuna::Result<std::unique_ptr<lacuna_mask>> {
    LACUNA_TRY(const std::size_t extent, lacuna::extent_of(m, k, lda));
    if (extent != 0) LACUNA_TRY_VOID(lacuna::require(a, "a"));
    return lacuna::wrap(lacuna::Mask::from_dense(m, k, {a, extent}, lda));
  });
}

lacuna_status lacuna_mask_from_csr(int64_t m, int64_t k, const int64_t* row_ptr,
                                   const int64_t* col_idx, lacuna_mask** out) {
  return make_handle(out, [&]() -> lacuna::Result<std::unique_ptr<lacuna_mask>> {
    LACUNA_TRY_VOID(lacuna::require_in(m, 0, lacuna::kMaxMaskDim, "m"));
    LACUNA_TRY_VOID(lacuna::require(row_ptr, "row_ptr"));
    const std::span pointers(row_ptr, static_cast<std::size_t>(m) + 1);
    LACUNA_TRY_VOID(lacuna::require_in(pointers.back(), 0, std::int64_t{1} << 60, "row_ptr[m]"));
    if (pointers.back() != 0) LACUNA_TRY_VOID(lacuna::require(col_idx, "col_idx"));
    return lacuna::wrap(lacuna::Mask::from_csr(
        m, k, pointers, {col_idx, static_cast<std::size_t>(pointers.back())}));
  });
}

lacuna_status lacuna_mask_from_blocks(int64_t m, int64_t k, int32_t r, int32_t c,
                                      const uint8_t* flags, lacuna_mask** out) {
  return make_handle(out, [&]() -> lacuna::Result<std::unique_ptr<lacuna_mask>> {
    LACUNA_TRY_VOID(lacuna::require_in(m, 0, lacuna::kMaxMaskDim, "m"));
    LACUNA_TRY_VOID(lacuna::require_in(k, 0, lacuna::kMaxMaskDim, "k"));
    LACUNA_TRY_VOID(lacuna::require_in(r, 1, lacuna::kMaxMaskDim, "r"));
    LACUNA_TRY_VOID(lacuna::require_in(c, 1, lacuna::kMaxMaskDim, "c"));
    const auto count = static_cast<std::size_t>((m + r - 1) / r * ((k + c - 1) / c));
    if (count != 0) LACUNA_TRY_VOID(lacuna::require(flags, "flags"));
    return lacuna::wrap(lacuna::Mask::from_blocks(m, k, r, c, {flags, count}));
  });
}

lacuna_status lacuna_mask_load(const char* path, lacuna_mask** out) {
  return make_handle(out, [&]() -> lacuna::Result<std::unique_ptr<lacuna_mask>> {
    LACUNA_TRY_VOID(lacuna::require(path, "path"));
    return lacuna::wrap(lacuna::load_mask(path));
  });
}

void lacuna_mask_destroy(lacuna_mask* mask) {
  delete mask;
}
int64_t lacuna_mask_rows(const lacuna_mask* mask) {
  return mask == nullptr ? 0 : mask->mask.m();
}
int64_t lacuna_mask_columns(const lacuna_mask* mask) {
  return mask == nullptr ? 0 : mask->mask.k();
}
int64_t lacuna_mask_nnz(const lacuna_mask* mask) {
  return mask == nullptr ? 0 : mask->mask.nnz();
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

lacuna_status lacuna_plan_pack(const lacuna_plan* plan, const float* a, int64_t lda,
                               float* values) {
  return guarded([&]() -> lacuna::Result<> {
    LACUNA_TRY_VOID(lacuna::check_pack(plan, a, lda, values));
    lacuna::pack_values(plan->executable->structure(), a, lda,
                        lacuna::values_type(plan->executable->problems().front()), values);
    return {};
  });
}

lacuna_status lacuna_plan_unpack(const lacuna_plan* plan, const float* values, float* a,
                                 int64_t lda) {
  return guarded([&]() -> lacuna::Result<> {
    LACUNA_TRY_VOID(lacuna::check_pack(plan, a, lda, values));
    lacuna::unpack_values(plan->executable->structure(),
                          lacuna::values_type(plan->executable->problems().front()), values, a,
                          lda);
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
