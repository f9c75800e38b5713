// SPDX-License-Identifier: Apache-2.0
#include "tuner/baseline.h"

#include <cstdint>

#include "targets/base/dynlib.h"
#include "targets/base/openblas.h"
#include "targets/base/result.h"
#include "templates/problem.h"

namespace lacuna {
namespace {

// The libraries' C interfaces, as their manuals give them.
using CblasSgemm = void(int order, int trans_a, int trans_b, int m, int n, int k, float alpha,
                        const float* a, int lda, const float* b, int ldb, float beta, float* c,
                        int ldc);
constexpr int kCblasRowMajor = 101;
constexpr int kCblasNoTrans = 111;
constexpr int kCblasTrans = 112;
using DnnlSgemm = int(char trans_a, char trans_b, std::int64_t m, std::int64_t n, std::int64_t k,
                      float alpha, const float* a, std::int64_t lda, const float* b,
                      std::int64_t ldb, float beta, float* c, std::int64_t ldc);
struct DnnlVersion {
  int major, minor, patch;  // the first fields of dnnl_version_t
};

Result<DynLib> open_library(GemmLibrary library) {
  if (library == GemmLibrary::kOpenBlas) return open_openblas();
  auto onednn = DynLib::open("libdnnl.so.2");
  if (onednn) return onednn;
  return make_error(
      ErrorCode::kUnsupported,
      "oneDNN is not available ({}): install Debian's libdnnl2 (apt install libdnnl2)",
      onednn.error().message);
}

}  // namespace

GemmCall make_gemm_call(const Problem& problem, std::int64_t n, const DenseOperands& x) {
  const bool b_row = problem.layout_b == Layout::kRowMajor;
  const bool c_row = problem.layout_c == Layout::kRowMajor;
  GemmCall call;
  call.beta = problem.accumulate ? 1.0F : 0.0F;
  if (problem.op == Op::kSddmm) {  // A[M,K] = B[M,N] * C[K,N]^T
    call.trans_a = !b_row;
    call.trans_b = c_row;
    call.m = problem.m;
    call.n = problem.k;
    call.k = n;
    call.a = x.b;
    call.lda = x.ldb;
    call.b = x.c;
    call.ldb = x.ldc;
    call.c = x.a;
    call.ldc = problem.k;
    return call;
  }
  const bool transposed = problem.op == Op::kSpmmTransposed;
  const std::int64_t rows_out = transposed ? problem.k : problem.m;
  call.k = transposed ? problem.m : problem.k;
  call.c = x.c;
  call.ldc = x.ldc;
  if (c_row) {  // C = A' * B
    call.m = rows_out;
    call.n = n;
    call.trans_a = transposed;
    call.a = x.a;
    call.lda = problem.k;
    call.trans_b = !b_row;
    call.b = x.b;
    call.ldb = x.ldb;
  } else {  // C^T = B^T * A'^T
    call.m = n;
    call.n = rows_out;
    call.trans_a = b_row;
    call.a = x.b;
    call.lda = x.ldb;
    call.trans_b = !transposed;
    call.b = x.a;
    call.ldb = problem.k;
  }
  return call;
}

Result<SgemmBaseline> SgemmBaseline::open(GemmLibrary library, std::int32_t threads) {
  SgemmBaseline baseline;
  baseline.library_ = library;
  LACUNA_TRY(baseline.library_handle_, open_library(library));
  LACUNA_TRY_VOID(library == GemmLibrary::kOpenBlas ? baseline.bind_openblas(threads)
                                                    : baseline.bind_onednn(threads));
  return baseline;
}

Result<> SgemmBaseline::bind_openblas(std::int32_t threads) {
  LACUNA_TRY(sgemm_, library_handle_.symbol("cblas_sgemm"));
  LACUNA_TRY(auto* const set_threads,
             library_handle_.function<void(int)>("openblas_set_num_threads"));
  set_threads(threads);
  LACUNA_TRY(auto* const config, library_handle_.function<const char*()>("openblas_get_config"));
  LACUNA_TRY(auto* const core, library_handle_.function<const char*()>("openblas_get_corename"));
  const std::string text = config();  // "OpenBLAS 0.3.21 NO_LAPACKE ..."
  const auto second = text.find(' ', text.find(' ') + 1);
  version_ = text.substr(0, second) + " " + core();
  return {};
}

Result<> SgemmBaseline::bind_onednn(std::int32_t threads) {
  LACUNA_TRY(sgemm_, library_handle_.symbol("dnnl_sgemm"));
  LACUNA_TRY(auto* const version, library_handle_.function<const DnnlVersion*()>("dnnl_version"));
  version_ = fmt::format("oneDNN {}.{}.{}", version()->major, version()->minor, version()->patch);
  // Debian's oneDNN runs on GNU OpenMP, whose team size is the calling thread's setting.
  LACUNA_TRY(const DynLib openmp, DynLib::open("libgomp.so.1"));
  LACUNA_TRY(auto* const set_threads, openmp.function<void(int)>("omp_set_num_threads"));
  set_threads(threads);
  return {};
}

void SgemmBaseline::run(const GemmCall& c) const {
  switch (library_) {
    case GemmLibrary::kOpenBlas:
      reinterpret_cast<CblasSgemm*>(sgemm_)(
          kCblasRowMajor, c.trans_a ? kCblasTrans : kCblasNoTrans,
          c.trans_b ? kCblasTrans : kCblasNoTrans, static_cast<int>(c.m), static_cast<int>(c.n),
          static_cast<int>(c.k), 1.0F, c.a, static_cast<int>(c.lda), c.b, static_cast<int>(c.ldb),
          c.beta, c.c, static_cast<int>(c.ldc));
      return;
    case GemmLibrary::kOneDnn:
      reinterpret_cast<DnnlSgemm*>(sgemm_)(c.trans_a ? 'T' : 'N', c.trans_b ? 'T' : 'N', c.m, c.n,
                                           c.k, 1.0F, c.a, c.lda, c.b, c.ldb, c.beta, c.c, c.ldc);
      return;
  }
}

}  // namespace lacuna
