// SPDX-License-Identifier: Apache-2.0
//
// MKL: dense, dense with A packed ahead, and sparse A as CSR and BSR through mkl_sparse_s_mm. From PyPI's wheel or the
// system; one library for all. Its interface is declared here as its reference gives it, so no header is needed.
#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fmt/format.h>
#include <functional>
#include <memory>
#include <string>
#include <system_error>
#include <type_traits>
#include <utility>
#include <vector>

#include "targets/base/result.h"
#include "tests/bench/rivals/cblas.h"
#include "tests/bench/rivals/fastest.h"
#include "tests/bench/rivals/isolated_library.h"
#include "tests/bench/rivals/rival.h"
#include "tests/bench/rivals/rival_case.h"
#include "tuner/measurer.h"

namespace lacuna {
namespace {

using SparseMatrix = void*;
struct MatrixDescr {
  int type = 20;  // SPARSE_MATRIX_TYPE_GENERAL
  int mode = 0;
  int diag = 0;
};
constexpr int kNonTranspose = 10;  // SPARSE_OPERATION_NON_TRANSPOSE
constexpr int kAMatrix = 161;      // CblasAMatrix
constexpr int kPacked = 151;       // CblasPacked
constexpr int kManyCalls = 1000;   // told to the optimiser: expected calls

using SetLayer = int(int);
using VersionString = void(char* text, int bytes);
using PackSize = std::size_t(int matrix, int m, int n, int k);
using Pack = void(int order, int matrix, int trans, int m, int n, int k, float alpha,
                  const float* src, int ld, float* dest);
using Compute = void(int order, int trans_a, int trans_b, int m, int n, int k, const float* a,
                     int lda, const float* b, int ldb, float beta, float* c, int ldc);
using CreateCsr = int(SparseMatrix* a, int index_base, int rows, int columns,
                      const std::int32_t* begin, const std::int32_t* end,
                      const std::int32_t* col_idx, const float* values);
using ConvertBsr = int(SparseMatrix source, int block, int block_layout, int operation,
                       SparseMatrix* dest);
using SetMmHint = int(SparseMatrix a, int operation, MatrixDescr descr, int layout, int columns,
                      int calls);
using Optimize = int(SparseMatrix a);
using Multiply = int(int operation, float alpha, SparseMatrix a, MatrixDescr descr, int layout,
                     const float* b, int columns, int ldb, float beta, float* c, int ldc);
using Destroy = int(SparseMatrix a);

// All that is used of the library; complete, or it is not available.
struct Mkl {
  SetLayer* set_threading_layer = nullptr;
  VersionString* version_string = nullptr;
  CblasSgemm* sgemm = nullptr;
  PackSize* pack_size = nullptr;
  Pack* pack = nullptr;
  Compute* compute = nullptr;
  CreateCsr* create_csr = nullptr;
  ConvertBsr* convert_bsr = nullptr;
  SetMmHint* set_mm_hint = nullptr;
  Optimize* optimize = nullptr;
  Multiply* multiply = nullptr;
  Destroy* destroy = nullptr;

  [[nodiscard]] bool bind(const IsolatedLibrary& library) {
    const auto find = [&](auto*& function, const char* name) {
      function =
          library.function<std::remove_pointer_t<std::remove_reference_t<decltype(function)>>>(
              name);
      return function != nullptr;
    };
    return find(set_threading_layer, "MKL_Set_Threading_Layer") &&
           find(version_string, "MKL_Get_Version_String") && find(sgemm, "cblas_sgemm") &&
           find(pack_size, "cblas_sgemm_pack_get_size") && find(pack, "cblas_sgemm_pack") &&
           find(compute, "cblas_sgemm_compute") && find(create_csr, "mkl_sparse_s_create_csr") &&
           find(convert_bsr, "mkl_sparse_convert_bsr") &&
           find(set_mm_hint, "mkl_sparse_set_mm_hint") && find(optimize, "mkl_sparse_optimize") &&
           find(multiply, "mkl_sparse_s_mm") && find(destroy, "mkl_sparse_destroy");
  }
};

// "MKL 2026.2" of "Intel(R) oneAPI Math Kernel Library Version 2026.2-Product Build ...".
std::string name_of(const Mkl& mkl) {
  std::array<char, 256> text{};
  mkl.version_string(text.data(), static_cast<int>(text.size()) - 1);
  const std::string whole = text.data();
  const std::string key = "Version ";
  const auto at = whole.find(key);
  if (at == std::string::npos) return "MKL";
  const auto first = at + key.size();
  return "MKL " + whole.substr(first, whole.find_first_of("- ", first) - first);
}

// The wheel's library, whatever its number, before the system's.
std::vector<std::string> candidate_paths(const RivalPaths& paths) {
  std::vector<std::string> found;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(paths.python_env / "lib", error))
    if (entry.path().filename().string().starts_with("libmkl_rt.so"))
      found.push_back(entry.path().string());
  found.emplace_back("libmkl_rt.so");
  return found;
}

Result<std::shared_ptr<const Mkl>> open_mkl(const RivalPaths& paths) {
  constexpr int kSequential = 1;
  for (const std::string& path : candidate_paths(paths)) {
    const auto library = IsolatedLibrary::open(path);
    auto mkl = std::make_shared<Mkl>();
    if (!library || !mkl->bind(*library)) continue;
    mkl->set_threading_layer(kSequential);
    return std::shared_ptr<const Mkl>(std::move(mkl));
  }
  return make_error(ErrorCode::kNotFound, "not installed (PyPI's mkl, by .ci/install_rivals.sh)");
}

// A packed ahead. Column-major operands are row-major ones of the transposed product, C' = B' * A', where A is the
// right operand; MKL packs either.
TimedCall make_packed(const std::shared_ptr<const Mkl>& mkl, const RivalCase& p) {
  const int m = static_cast<int>(p.m);
  const int k = static_cast<int>(p.k);
  const int n = static_cast<int>(p.n);
  const bool column = p.column_major != 0;
  const int order = column ? kCblasColMajor : kCblasRowMajor;
  const auto floats = mkl->pack_size(kAMatrix, m, n, k) / sizeof(float) + 1;
  const std::shared_ptr<float[]> packed(new float[floats]);
  mkl->pack(order, kAMatrix, column ? kCblasTrans : kCblasNoTrans, m, n, k, 1.0F, p.dense_a, k,
            packed.get());
  return [=] {
    mkl->compute(order, kPacked, kCblasNoTrans, m, n, k, packed.get(), k, p.b, column ? k : n, 0.0F,
                 p.c, column ? m : n);
  };
}

// A sparse matrix of MKL's, destroyed with its last call.
class Handle {
 public:
  Handle(std::shared_ptr<const Mkl> mkl, SparseMatrix matrix)
      : mkl_(std::move(mkl)), matrix_(matrix) {}
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  ~Handle() { mkl_->destroy(matrix_); }

  [[nodiscard]] SparseMatrix get() const { return matrix_; }

 private:
  std::shared_ptr<const Mkl> mkl_;
  SparseMatrix matrix_;
};

Result<std::shared_ptr<const Handle>> make_csr(const std::shared_ptr<const Mkl>& mkl,
                                               const RivalCase& p) {
  SparseMatrix matrix = nullptr;
  const int status = mkl->create_csr(&matrix, 0, static_cast<int>(p.m), static_cast<int>(p.k),
                                     p.row_ptr, p.row_ptr + 1, p.col_idx, p.values);
  if (status != 0)
    return make_error(ErrorCode::kUnsupported, "mkl_sparse_s_create_csr returned {}", status);
  return std::make_shared<const Handle>(mkl, matrix);
}

// Tells MKL what will be done with the matrix, lets it optimise, and binds the call, which is tried once.
Result<TimedCall> bind_multiply(const std::shared_ptr<const Mkl>& mkl,
                                const std::shared_ptr<const Handle>& a, const RivalCase& p) {
  const bool column = p.column_major != 0;
  const int layout = column ? kCblasColMajor : kCblasRowMajor;
  const int n = static_cast<int>(p.n);
  const int ldb = static_cast<int>(column ? p.k : p.n);
  const int ldc = static_cast<int>(column ? p.m : p.n);
  // A refused hint costs MKL speed, no more.
  mkl->set_mm_hint(a->get(), kNonTranspose, MatrixDescr{}, layout, n, kManyCalls);
  mkl->optimize(a->get());
  const auto multiply = [=] {
    return mkl->multiply(kNonTranspose, 1.0F, a->get(), MatrixDescr{}, layout, p.b, n, ldb, 0.0F,
                         p.c, ldc);
  };
  if (const int status = multiply(); status != 0)
    return make_error(ErrorCode::kUnsupported, "mkl_sparse_s_mm returned {}", status);
  return TimedCall([multiply] { multiply(); });
}

Result<TimedCall> prepare_csr(const std::shared_ptr<const Mkl>& mkl, const RivalCase& p) {
  LACUNA_TRY(const auto csr, make_csr(mkl, p));
  return bind_multiply(mkl, csr, p);
}

// The fastest of the block sizes that divide the mask's blocks, in either order of a block's elements.
Result<TimedCall> prepare_bsr(const std::shared_ptr<const Mkl>& mkl, const RivalCase& p) {
  LACUNA_TRY(const auto csr, make_csr(mkl, p));
  std::vector<std::function<void()>> calls;
  for (const int size : {4, 8, 16, 32})
    for (const int block_layout : {kCblasRowMajor, kCblasColMajor}) {
      if (p.block_r % size != 0 || p.block_c % size != 0) continue;
      SparseMatrix bsr = nullptr;
      if (mkl->convert_bsr(csr->get(), size, block_layout, kNonTranspose, &bsr) != 0) continue;
      auto call = bind_multiply(mkl, std::make_shared<const Handle>(mkl, bsr), p);
      if (call) calls.push_back(std::move(call).value());
    }
  if (calls.empty())
    return make_error(ErrorCode::kUnsupported,
                      "its blocks are squares of at least 4, the mask's are {} x {}", p.block_r,
                      p.block_c);
  return calls[fastest_of(calls)];
}

}  // namespace

std::vector<Rival> mkl_rivals(const RivalPaths& paths) {
  struct Variant {
    const char* name;
    bool dense;
    Result<TimedCall> (*prepare)(const std::shared_ptr<const Mkl>& mkl, const RivalCase& p);
  };
  const std::array<Variant, 4> variants = {
      {{"sgemm", true,
        [](const auto& mkl, const RivalCase& p) -> Result<TimedCall> {
          return TimedCall([mkl, p] { run_sgemm(mkl->sgemm, p); });
        }},
       {"sgemm, packed", true,
        [](const auto& mkl, const RivalCase& p) -> Result<TimedCall> {
          return make_packed(mkl, p);
        }},
       {"CSR", false, prepare_csr},
       {"BSR", false, prepare_bsr}}};
  const auto mkl = open_mkl(paths);
  const std::string library = mkl ? name_of(**mkl) : "MKL";
  std::vector<Rival> rivals;
  for (const Variant& variant : variants) {
    Rival rival{library + " " + variant.name, variant.dense, mkl ? "" : mkl.error().message, {}};
    if (mkl)
      rival.prepare = [mkl = *mkl, &prepare = *variant.prepare](const RivalCase& product) {
        return prepare(mkl, product);
      };
    rivals.push_back(std::move(rival));
  }
  return rivals;
}

}  // namespace lacuna
