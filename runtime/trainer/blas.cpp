// SPDX-License-Identifier: Apache-2.0
#include "runtime/trainer/blas.h"

#include <cstdint>
#include <memory>
#include <utility>

#include "targets/base/dynlib.h"
#include "targets/base/openblas.h"
#include "targets/base/result.h"

namespace lacuna::trainer {
namespace {

// Values of the CBLAS interface (enum CBLAS_ORDER, CBLAS_TRANSPOSE).
constexpr int kCblasRowMajor = 101;
constexpr int kCblasNoTrans = 111;
constexpr int kCblasTrans = 112;

}  // namespace

Result<std::shared_ptr<const Blas>> Blas::open(int threads) {
  auto opened = open_openblas();
  if (!opened)
    return make_error(opened.error().code, "{}, or set the layer's backend to lacuna",
                      opened.error().message);
  DynLib library = std::move(*opened);
  std::shared_ptr<Blas> blas(new Blas);
  LACUNA_TRY(blas->sgemm_, library.function<Sgemm>("cblas_sgemm"));
  LACUNA_TRY(auto* const set_threads, library.function<void(int)>("openblas_set_num_threads"));
  LACUNA_TRY(auto* const config, library.function<char*()>("openblas_get_config"));
  set_threads(threads);
  blas->description_ = config();
  blas->library_ = std::move(library);
  return blas;
}

void Blas::multiply(std::int64_t m, std::int64_t n, std::int64_t k, MatrixRef a, MatrixRef b,
                    MatrixOut c) const {
  const auto flag = [](Transpose t) { return t == Transpose::kYes ? kCblasTrans : kCblasNoTrans; };
  sgemm_(kCblasRowMajor, flag(a.transpose), flag(b.transpose), static_cast<int>(m),
         static_cast<int>(n), static_cast<int>(k), 1.0F, a.data, static_cast<int>(a.ld), b.data,
         static_cast<int>(b.ld), 0.0F, c.data, static_cast<int>(c.ld));
}

}  // namespace lacuna::trainer
