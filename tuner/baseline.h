// SPDX-License-Identifier: Apache-2.0
//
// Dense sgemm baselines: OpenBLAS and oneDNN, loaded at run time when a benchmark asks for them, never linked.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "targets/base/dynlib.h"
#include "targets/base/fields.h"
#include "templates/problem.h"

namespace lacuna {

// C[m,n] = op(A)[m,k] * op(B)[k,n] + beta C, all row-major, f32.
struct GemmCall {
  bool trans_a = false, trans_b = false;
  std::int64_t m = 0, n = 0, k = 0;
  const float* a = nullptr;
  std::int64_t lda = 0;
  const float* b = nullptr;
  std::int64_t ldb = 0;
  float beta = 0;
  float* c = nullptr;
  std::int64_t ldc = 0;
};

// The dense operands of a problem: A[M,K] row-major with ld K; B and C as the problem has them.
struct DenseOperands {
  float* a = nullptr;  // written by sddmm
  const float* b = nullptr;
  std::int64_t ldb = 0;
  float* c = nullptr;
  std::int64_t ldc = 0;
};

// The same product with A dense, in the problem's layouts (a column-major output is computed as its transpose: no copy
// is needed for any layout). Epilogues are left out, in the baseline's favour.
[[nodiscard]] GemmCall make_gemm_call(const Problem& problem, std::int64_t n,
                                      const DenseOperands& operands);

enum class GemmLibrary : std::uint8_t { kOpenBlas, kOneDnn };

template <>
struct EnumNames<GemmLibrary> {
  static constexpr std::array kNames = {
      std::pair{GemmLibrary::kOpenBlas, std::string_view("OpenBLAS")},
      std::pair{GemmLibrary::kOneDnn, std::string_view("oneDNN")}};
};

// A loaded library, set to a number of threads. Movable.
class SgemmBaseline {
 public:
  // Errors: kUnsupported, naming the Debian package to install.
  [[nodiscard]] static Result<SgemmBaseline> open(GemmLibrary library, std::int32_t threads);

  [[nodiscard]] GemmLibrary library() const { return library_; }
  // "OpenBLAS 0.3.21 SkylakeX" / "oneDNN 2.6.3".
  [[nodiscard]] const std::string& version() const { return version_; }
  void run(const GemmCall& call) const;

 private:
  SgemmBaseline() = default;
  [[nodiscard]] Result<> bind_openblas(std::int32_t threads);
  [[nodiscard]] Result<> bind_onednn(std::int32_t threads);

  GemmLibrary library_ = GemmLibrary::kOpenBlas;
  DynLib library_handle_;
  std::string version_;
  void* sgemm_ = nullptr;
};

}  // namespace lacuna
