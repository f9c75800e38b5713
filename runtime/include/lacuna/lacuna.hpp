// SPDX-License-Identifier: Apache-2.0
//
// lacuna.hpp: the C interface (lacuna.h) for C++20. Header only; it adds no ABI.
//
//     lacuna::Context context;
//     const lacuna::Mask mask = lacuna::Mask::load("weights.npz");
//     lacuna::Problem forward;                        // C[M,N] = A[M,K] * B[K,N], row-major
//     forward.n = 256;
//     const lacuna::Plan plan(context, mask, {forward});
//     std::vector<float> values = plan.pack(dense, lda);  // of other types: plan.pack<std::uint16_t>(dense, lda)
//     plan.spmm(0, values.data(), {b, ldb}, {c, ldc}, 256);
//
// Failures: each constructor and function that can fail throws lacuna::Exception, which carries the status and the
// message of the C interface. Nothing else is thrown, but std::bad_alloc by vectors and strings.
// Ownership: Context, Mask and Plan own their handle; movable, not copyable. A moved-from object may only be
// destroyed or assigned to. A Plan needs its Context alive, not its Mask.
// Thread safety: as in lacuna.h; an object may be used from several threads at once.
#ifndef LACUNA_LACUNA_HPP_
#define LACUNA_LACUNA_HPP_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "lacuna/lacuna.h"
#include "lacuna/problem.hpp"

// The inline namespace keeps these classes apart, for the linker, from the library's own lacuna::Mask and lacuna::Plan.
namespace lacuna::inline v0 {

// What a failed call throws: what() is lacuna_last_error(), status() one of LACUNA_ERROR_*.
class Exception : public std::runtime_error {
 public:
  Exception(lacuna_status status, const std::string& message)
      : std::runtime_error(message), status_(status) {}
  [[nodiscard]] lacuna_status status() const noexcept { return status_; }

 private:
  lacuna_status status_;
};

namespace detail {

inline void check(lacuna_status status) {
  if (status != LACUNA_OK) throw Exception(status, lacuna_last_error());
}

template <class Handle, void (*destroy)(Handle*)>
struct Destroy {
  void operator()(Handle* handle) const noexcept { destroy(handle); }
};

template <class Handle, void (*destroy)(Handle*)>
using Owned = std::unique_ptr<Handle, Destroy<Handle, destroy>>;

}  // namespace detail

// lacuna_context_options with defaults. The texts are copied.
struct ContextOptions {
  const char* cache_folder = nullptr;          // null = per-user cache, "" = none
  const char* bundle_folder = nullptr;         // null = none
  std::int32_t threads = 0;                    // 0 = OpenMP's default
  lacuna_parallel_for parallel_for = nullptr;  // null = OpenMP
  void* pool = nullptr;
  const char* target = nullptr;  // null = this machine; else a target's name or YAML file
};

// Target, caches and threads of one process.
class Context {
 public:
  explicit Context(const ContextOptions& options = {}) {
    lacuna_context_options c_options{};
    c_options.struct_size = sizeof c_options;
    c_options.cache_folder = options.cache_folder;
    c_options.bundle_folder = options.bundle_folder;
    c_options.threads = options.threads;
    c_options.parallel_for = options.parallel_for;
    c_options.pool = options.pool;
    c_options.target = options.target;
    lacuna_context* handle = nullptr;
    detail::check(lacuna_context_create(&c_options, &handle));
    handle_.reset(handle);
  }
  // What is worth knowing, e.g. "no AVX-512: using AVX2"; empty if nothing.
  [[nodiscard]] std::string note() const { return lacuna_context_note(handle_.get()); }
  [[nodiscard]] lacuna_context* get() const noexcept { return handle_.get(); }

 private:
  detail::Owned<lacuna_context, lacuna_context_destroy> handle_;
};

// n of every m columns that follow one another, 1 <= n < m <= 32; every v rows share their choice.
struct NOfM {
  std::int32_t n = 2;
  std::int32_t m = 4;
  std::int32_t v = 1;
};

// Which weights of A[M,K] exist.
class Mask {
 public:
  // The nonzero elements of row-major a[i*lda + j].
  [[nodiscard]] static Mask from_dense(std::int64_t m, std::int64_t k, const float* a,
                                       std::int64_t lda) {
    lacuna_mask* handle = nullptr;
    detail::check(lacuna_mask_from_dense(m, k, a, lda, &handle));
    return Mask(handle);
  }
  // row_ptr has m + 1 elements; the columns of each row are sorted and distinct.
  [[nodiscard]] static Mask from_csr(std::int64_t m, std::int64_t k,
                                     const std::vector<std::int64_t>& row_ptr,
                                     const std::vector<std::int64_t>& col_idx) {
    if (m < 0 || row_ptr.size() != static_cast<std::size_t>(m) + 1 || row_ptr.back() < 0 ||
        static_cast<std::size_t>(row_ptr.back()) > col_idx.size())
      throw Exception(LACUNA_ERROR_INVALID_ARGUMENT, "row_ptr does not fit m and col_idx");
    lacuna_mask* handle = nullptr;
    detail::check(lacuna_mask_from_csr(m, k, row_ptr.data(), col_idx.data(), &handle));
    return Mask(handle);
  }
  // One flag for each r x c block, row-major, ceil(m/r) x ceil(k/c).
  [[nodiscard]] static Mask from_blocks(std::int64_t m, std::int64_t k, std::int32_t r,
                                        std::int32_t c, const std::vector<std::uint8_t>& flags) {
    if (m < 0 || k < 0 || r < 1 || c < 1 ||
        flags.size() !=
            static_cast<std::size_t>((m + r - 1) / r) * static_cast<std::size_t>((k + c - 1) / c))
      throw Exception(LACUNA_ERROR_INVALID_ARGUMENT,
                      "flags does not have one element for each block");
    lacuna_mask* handle = nullptr;
    detail::check(lacuna_mask_from_blocks(m, k, r, c, flags.data(), &handle));
    return Mask(handle);
  }
  // .npy, .npz (SciPy), Matrix Market, .smtx
  [[nodiscard]] static Mask load(const std::string& path) {
    lacuna_mask* handle = nullptr;
    detail::check(lacuna_mask_load(path.c_str(), &handle));
    return Mask(handle);
  }
  // Of row-major a[i*lda + j] what the pattern keeps: the largest by magnitude. Details: lacuna_mask_prune_n_of_m.
  [[nodiscard]] static Mask prune_n_of_m(std::int64_t m, std::int64_t k, const float* a,
                                         std::int64_t lda, const NOfM& pattern) {
    const lacuna_n_of_m c_pattern{sizeof c_pattern, pattern.n, pattern.m, pattern.v, 0};
    lacuna_mask* handle = nullptr;
    detail::check(lacuna_mask_prune_n_of_m(m, k, a, lda, &c_pattern, &handle));
    return Mask(handle);
  }
  // Throws, naming the first rows and group, if the mask does not conform to the pattern.
  void check_n_of_m(const NOfM& pattern) const {
    const lacuna_n_of_m c_pattern{sizeof c_pattern, pattern.n, pattern.m, pattern.v, 0};
    detail::check(lacuna_mask_check_n_of_m(handle_.get(), &c_pattern));
  }
  [[nodiscard]] std::int64_t rows() const { return lacuna_mask_rows(handle_.get()); }
  [[nodiscard]] std::int64_t columns() const { return lacuna_mask_columns(handle_.get()); }
  [[nodiscard]] std::int64_t nnz() const { return lacuna_mask_nnz(handle_.get()); }
  [[nodiscard]] lacuna_mask* get() const noexcept { return handle_.get(); }

 private:
  explicit Mask(lacuna_mask* handle) : handle_(handle) {}
  detail::Owned<lacuna_mask, lacuna_mask_destroy> handle_;
};

// lacuna_plan_options with defaults.
struct PlanOptions {
  std::string format;  // "bsr16x1", "jam4", "nm2of4"; empty = chosen by the planner
  bool exact = false;  // store exactly the mask's elements
};

// A dense operand: X(i, n) at data[i*ld + n] (row-major) or data[i + n*ld] (column-major), elements of the type that the
// problem has.
struct ConstDense {
  const void* data = nullptr;
  std::int64_t ld = 0;
};
struct Dense {
  void* data = nullptr;
  std::int64_t ld = 0;
};

// Weights as indices into a codebook of 2^bits numbers, the first 0: lacuna_codebook_make.
struct Codebook {
  std::vector<float> entries;
  std::vector<std::uint8_t> indices;

  // Of `count` weights, in their order.
  [[nodiscard]] static Codebook make(const float* weights, std::int64_t count, std::int32_t bits) {
    Codebook made;
    made.entries.resize(std::size_t{1} << (bits < 0 || bits > 8 ? 8 : bits));
    made.indices.resize(count < 0 ? 0 : static_cast<std::size_t>(count));
    detail::check(
        lacuna_codebook_make(weights, count, bits, made.entries.data(), made.indices.data()));
    return made;
  }
};

// Packed values, with their codebook where they are indices. Plain pointers convert.
struct Values {
  template <class Element>
  Values(const Element* elements, const float* entries = nullptr)
      : data(elements), codebook(entries) {}
  Values(std::nullptr_t) {}
  const void* data = nullptr;
  const float* codebook = nullptr;
};

// What an epilogue reads beside the sums; the parts it does not have stay empty.
struct EpilogueOperands {
  const float* bias = nullptr;   // one for each row of C, with glu of A
  const float* scale = nullptr;  // one factor, or one for each of these rows
  ConstDense preactivation, gate, residual;
  const float* scale_columns = nullptr;  // one for each column of C
};

// One storage format and a kernel for each problem. `problem` counts from 0 in the order given to the constructor.
class Plan {
 public:
  Plan(const Context& context, const Mask& mask, const std::vector<Problem>& problems,
       const PlanOptions& options = {})
      : rows_(mask.rows()), columns_(mask.columns()) {
    std::vector<lacuna_problem> c_problems;
    c_problems.reserve(problems.size());
    for (const Problem& problem : problems)
      c_problems.push_back(to_c(problem));
    lacuna_plan_options c_options{};
    c_options.struct_size = sizeof c_options;
    c_options.exact = options.exact ? 1 : 0;
    c_options.format = options.format.empty() ? nullptr : options.format.c_str();
    lacuna_plan* handle = nullptr;
    detail::check(lacuna_plan_create(context.get(), mask.get(), c_problems.data(),
                                     c_problems.size(), &c_options, &handle));
    handle_.reset(handle);
  }

  [[nodiscard]] std::int64_t values_count() const {
    return lacuna_plan_values_count(handle_.get());
  }
  [[nodiscard]] std::string format() const { return lacuna_plan_format(handle_.get()); }
  [[nodiscard]] std::string kernel(std::size_t problem) const {
    return lacuna_plan_kernel(handle_.get(), problem);
  }
  [[nodiscard]] std::string provenance() const { return lacuna_plan_provenance(handle_.get()); }

  // Of the operands of one problem; an exception if there is none of that number.
  [[nodiscard]] Type type_of_values(std::size_t problem) const {
    return known_type(lacuna_plan_type_of_values(handle_.get(), problem));
  }
  [[nodiscard]] Type type_of_b(std::size_t problem) const {
    return known_type(lacuna_plan_type_of_b(handle_.get(), problem));
  }
  [[nodiscard]] Type type_of_c(std::size_t problem) const {
    return known_type(lacuna_plan_type_of_c(handle_.get(), problem));
  }

  // The stored weights of row-major a[i*lda + j], in the plan's format, as the problem reads them. Element is any type
  // of the size of type_of_values(problem): std::uint16_t (or the compiler's own) for bf16, std::int8_t for s8.
  template <class Element = float>
  [[nodiscard]] std::vector<Element> pack(const float* a, std::int64_t lda,
                                          std::size_t problem = 0) const {
    auto values = make_values<Element>(problem);
    detail::check(
        lacuna_plan_pack_from(handle_.get(), problem, a, LACUNA_TYPE_F32, lda, values.data()));
    return values;
  }
  // The same from elements that already have the values' type.
  template <class Element>
  [[nodiscard]] std::vector<Element> pack_elements(const Element* a, std::int64_t lda,
                                                   std::size_t problem = 0) const {
    auto values = make_values<Element>(problem);
    const auto type = static_cast<std::int32_t>(type_of_values(problem));
    detail::check(lacuna_plan_pack_from(handle_.get(), problem, a, type, lda, values.data()));
    return values;
  }
  // The dense M x K matrix of the problem's values, row-major without padding, zero outside the stored weights.
  [[nodiscard]] std::vector<float> unpack(const void* values, std::size_t problem = 0) const {
    std::vector<float> a(static_cast<std::size_t>(rows_ * columns_));
    detail::check(
        lacuna_plan_unpack_to(handle_.get(), problem, values, a.data(), LACUNA_TYPE_F32, columns_));
    return a;
  }

  // C = epilogue(A * B (+ C)), or A^T for a spmm_transposed problem. `n` dense columns.
  void spmm(std::size_t problem, Values values, ConstDense b, Dense c, std::int64_t n,
            const EpilogueOperands& epilogue) const {
    // The C struct serves both directions; kernels of these problems only read the values.
    lacuna_operands operands = make_operands(const_cast<void*>(values.data), b, c, n);
    operands.codebook = values.codebook;
    operands.bias = epilogue.bias;
    operands.scale = epilogue.scale;
    operands.scale_columns = epilogue.scale_columns;
    operands.preactivation = epilogue.preactivation.data;
    operands.ld_preactivation = epilogue.preactivation.ld;
    operands.gate = epilogue.gate.data;
    operands.ld_gate = epilogue.gate.ld;
    operands.residual = epilogue.residual.data;
    operands.ld_residual = epilogue.residual.ld;
    execute(problem, operands);
  }
  void spmm(std::size_t problem, Values values, ConstDense b, Dense c, std::int64_t n,
            const float* bias = nullptr) const {
    EpilogueOperands epilogue;
    epilogue.bias = bias;
    spmm(problem, values, b, c, n, epilogue);
  }
  // values = B * C^T at the stored weights (+ values).
  void sddmm(std::size_t problem, void* values, ConstDense b, ConstDense c, std::int64_t n) const {
    // As above: sddmm only reads C.
    execute(problem, make_operands(values, b, {const_cast<void*>(c.data), c.ld}, n));
  }
  void execute(std::size_t problem, const lacuna_operands& operands) const {
    detail::check(lacuna_plan_execute(handle_.get(), problem, &operands));
  }
  [[nodiscard]] lacuna_plan* get() const noexcept { return handle_.get(); }

 private:
  [[nodiscard]] static lacuna_problem to_c(const Problem& problem) {
    lacuna_problem made = LACUNA_PROBLEM_INIT;
    made.op = static_cast<std::int32_t>(problem.op);
    made.layout_b = static_cast<std::int32_t>(problem.layout_b);
    made.layout_c = static_cast<std::int32_t>(problem.layout_c);
    made.accumulate = problem.accumulate ? 1 : 0;
    made.n = problem.n;
    made.types = static_cast<std::int32_t>(problem.types);
    const Epilogue& epilogue = problem.epilogue;
    made.epilogue = epilogue.bias ? LACUNA_EPILOGUE_BIAS : LACUNA_EPILOGUE_NONE;
    made.scale = static_cast<std::int32_t>(epilogue.scale);
    made.activation = static_cast<std::int32_t>(epilogue.activation);
    made.derivative = epilogue.derivative ? 1 : 0;
    made.glu = epilogue.glu ? 1 : 0;
    made.gate = epilogue.gate ? 1 : 0;
    made.residual = epilogue.residual ? 1 : 0;
    return made;
  }
  [[nodiscard]] static Type known_type(std::int32_t type) {
    if (type < 0)
      throw Exception(LACUNA_ERROR_INVALID_ARGUMENT, "the plan has no problem of that number");
    return static_cast<Type>(type);
  }
  template <class Element>
  [[nodiscard]] std::vector<Element> make_values(std::size_t problem) const {
    const auto type = static_cast<std::int32_t>(type_of_values(problem));
    if (lacuna_type_bytes(type) != static_cast<std::int32_t>(sizeof(Element)))
      throw Exception(LACUNA_ERROR_INVALID_ARGUMENT,
                      "values of " + std::to_string(lacuna_type_bytes(type)) +
                          " bytes do not fit elements of " + std::to_string(sizeof(Element)));
    return std::vector<Element>(static_cast<std::size_t>(values_count()));
  }
  [[nodiscard]] static lacuna_operands make_operands(void* values, ConstDense b, Dense c,
                                                     std::int64_t n) {
    lacuna_operands operands = LACUNA_OPERANDS_INIT;
    operands.values = values;
    operands.b = b.data;
    operands.ldb = b.ld;
    operands.c = c.data;
    operands.ldc = c.ld;
    operands.n = n;
    return operands;
  }

  std::int64_t rows_ = 0, columns_ = 0;
  detail::Owned<lacuna_plan, lacuna_plan_destroy> handle_;
};

}  // namespace lacuna::inline v0

#endif  // LACUNA_LACUNA_HPP_
