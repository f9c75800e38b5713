// SPDX-License-Identifier: Apache-2.0
//
// Eigen: a CSR matrix times a dense one. Header-only, so this module is compiled for the machine that builds it.
#include <Eigen/SparseCore>
#include <array>
#include <cstdint>
#include <fmt/format.h>
#include <string>

#include "tests/bench/rivals/adapter_module.h"
#include "tests/bench/rivals/rival_case.h"

namespace {

using Sparse = Eigen::SparseMatrix<float, Eigen::RowMajor, std::int32_t>;
template <int Order>
using Dense = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Order>;

class EigenProduct {
 public:
  explicit EigenProduct(const RivalCase& product)
      : product_(product),
        a_(product.m, product.k, product.row_ptr[product.m], product.row_ptr, product.col_idx,
           product.values) {}

  void run() {
    if (product_.column_major != 0)
      multiply<Eigen::ColMajor>();
    else
      multiply<Eigen::RowMajor>();
  }

 private:
  template <int Order>
  void multiply() {
    const Eigen::Map<const Dense<Order>> b(product_.b, product_.k, product_.n);
    Eigen::Map<Dense<Order>> c(product_.c, product_.m, product_.n);
    c.noalias() = a_ * b;
  }

  RivalCase product_;
  Eigen::Map<const Sparse> a_;
};

}  // namespace

LACUNA_RIVAL_EXPORT const RivalVariant* lacuna_rival_variants(std::int32_t* count) {
  static const std::string kName = fmt::format("Eigen {}.{}.{} CSR", EIGEN_WORLD_VERSION,
                                               EIGEN_MAJOR_VERSION, EIGEN_MINOR_VERSION);
  static const std::array<RivalVariant, 1> kVariants = {
      lacuna::make_variant<EigenProduct>(kName.c_str(), false)};
  *count = static_cast<std::int32_t>(kVariants.size());
  return kVariants.data();
}
