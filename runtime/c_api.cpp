// SPDX-License-Identifier: Apache-2.0
//
// The C ABI (lacuna.h): checks what C callers can get wrong, then calls Engine, Mask and ExecutablePlan. Every entry
// point that can fail goes through guarded(), so that no exception leaves the library.
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <tl/expected.hpp>
#include <utility>
#include <vector>

#include "lacuna/lacuna.h"
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

template <class T>
Result<> require(const T* pointer, const char* name) {
  if (pointer == nullptr) return make_error(ErrorCode::kInvalidArgument, "{} is null", name);
  return {};
}

Result<> require_in(std::int64_t value, std::int64_t low, std::int64_t high, const char* name) {
  if (value < low || value > high)
    return make_error(ErrorCode::kInvalidArgument, "{} {} is not in [{}, {}]", name, value, low,
                      high);
  return {};
}

// A caller's option struct. Older callers pass shorter ones (the rest keeps its zeros), newer ones longer ones, whose
// unknown fields must be zero.
template <class T>
Result<T> read_struct(const T* given, const char* name) {
  T value{};
  const std::size_t size = given->struct_size;
  if (size < sizeof(size) || size > 4096)
    return make_error(ErrorCode::kInvalidArgument, "{}.struct_size {} is not in [{}, 4096]", name,
                      size, sizeof(size));
  if (size % alignof(T) !=
      0)  // no struct has such a size, and an array of them would not be aligned
    return make_error(ErrorCode::kInvalidArgument, "{}.struct_size {} is not a multiple of {}",
                      name, size, alignof(T));
  std::memcpy(&value, given, std::min(size, sizeof(T)));
  const auto* const bytes = reinterpret_cast<const unsigned char*>(given);
  for (std::size_t i = sizeof(T); i < size; ++i)
    if (bytes[i] != 0)
      return make_error(ErrorCode::kUnsupported, "{} sets a field this version does not know",
                        name);
  return value;
}

// Operands have no optional fields: none may be missing, and unknown ones must be zero.
Result<> check_operands_struct(const lacuna_operands& operands) {
  if (operands.struct_size == sizeof operands) return {};
  if (operands.struct_size < sizeof operands)
    return make_error(ErrorCode::kInvalidArgument, "operands.struct_size {} is less than {}",
                      operands.struct_size, sizeof operands);
  LACUNA_TRY_VOID(read_struct(&operands, "operands"));
  return {};
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

Result<Problem> make_problem(const lacuna_problem& given, const Mask& mask) {
  LACUNA_TRY_VOID(require_in(given.op, 0, LACUNA_OP_SDDMM, "op"));
  LACUNA_TRY_VOID(require_in(given.layout_b, 0, LACUNA_COL_MAJOR, "layout_b"));
  LACUNA_TRY_VOID(require_in(given.layout_c, 0, LACUNA_COL_MAJOR, "layout_c"));
  LACUNA_TRY_VOID(require_in(given.epilogue, 0, LACUNA_EPILOGUE_BIAS_RELU, "epilogue"));
  LACUNA_TRY_VOID(require_in(given.accumulate, 0, 1, "accumulate"));
  Problem problem;
  problem.op = static_cast<Op>(given.op);
  problem.m = mask.m();
  problem.k = mask.k();
  problem.n = given.n;
  problem.layout_b = static_cast<Layout>(given.layout_b);
  problem.layout_c = static_cast<Layout>(given.layout_c);
  problem.epilogue = static_cast<Epilogue>(given.epilogue);
  problem.accumulate = given.accumulate == 1;
  return problem;
}

// The array's stride is the caller's struct size, the same for all.
Result<std::vector<Problem>> make_problems(const lacuna_problem* given, std::size_t count,
                                           const Mask& mask) {
  std::vector<Problem> problems;
  if (count == 0) return problems;  // the planner reports it
  LACUNA_TRY_VOID(require(given, "problems"));
  const auto* const bytes = reinterpret_cast<const unsigned char*>(given);
  const std::size_t stride = given->struct_size;
  for (std::size_t i = 0; i < count; ++i) {
    const auto* const item = reinterpret_cast<const lacuna_problem*>(bytes + i * stride);
    LACUNA_TRY(const lacuna_problem problem, read_struct(item, "problem"));
    if (problem.struct_size != stride)
      return make_error(ErrorCode::kInvalidArgument, "problem {}: struct_size {} differs from {}",
                        i, problem.struct_size, stride);
    LACUNA_TRY(problems.emplace_back(), make_problem(problem, mask));
  }
  return problems;
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
    LACUNA_TRY_VOID(lacuna::check_operands_struct(*operands));
    return plan->executable->execute(problem,
                                     {operands->values, operands->b, operands->ldb, operands->c,
                                      operands->ldc, operands->bias, operands->n},
                                     plan->parallel);
  });
}
