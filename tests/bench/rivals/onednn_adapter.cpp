// SPDX-License-Identifier: Apache-2.0
//
// oneDNN, dense: sgemm, and the matmul primitive with its weights laid out ahead of time.
#include <array>
#include <cstdint>
#include <cstring>
#include <dnnl.hpp>
#include <fmt/format.h>
#include <stdexcept>
#include <string>
#include <unordered_map>

#include "tests/bench/rivals/adapter_module.h"
#include "tests/bench/rivals/rival_case.h"

namespace {

using Desc = dnnl::memory::desc;
using Tag = dnnl::memory::format_tag;

Desc make_desc(std::int64_t rows, std::int64_t columns, Tag tag) {
  return {{rows, columns}, dnnl::memory::data_type::f32, tag};
}

class OneDnnSgemm {
 public:
  explicit OneDnnSgemm(const RivalCase& product) : p_(product) {}
  void run() {
    if (p_.column_major != 0)  // C' = B' * A'
      dnnl_sgemm('N', 'T', p_.n, p_.m, p_.k, 1.0F, p_.b, p_.k, p_.dense_a, p_.k, 0.0F, p_.c, p_.m);
    else
      dnnl_sgemm('N', 'N', p_.m, p_.n, p_.k, 1.0F, p_.dense_a, p_.k, p_.b, p_.n, 0.0F, p_.c, p_.n);
  }

 private:
  RivalCase p_;
};

// matmul computes dst = src * weights, all row-major. With column-major operands A' is its weights, in whatever layout
// it likes best. With row-major ones A is its src, the layout of which is free too (2.6 leaves it plain); the other
// way round, dst' = weights' * src', would need a transposed dst, for which 2.6 has only its reference loops
// (0.1 GFLOP/s at 1024 x 1024 x 64, where this way reaches 177).
class OneDnnMatmul {
 public:
  explicit OneDnnMatmul(const RivalCase& p)
      : engine_(dnnl::engine::kind::cpu, 0), stream_(engine_) {
    const bool column = p.column_major != 0;
    const dnnl::matmul::primitive_desc primitive(
        column ? dnnl::matmul::desc(make_desc(p.n, p.k, Tag::ab), make_desc(p.k, p.m, Tag::any),
                                    make_desc(p.n, p.m, Tag::ab))
               : dnnl::matmul::desc(make_desc(p.m, p.k, Tag::any), make_desc(p.k, p.n, Tag::ab),
                                    make_desc(p.m, p.n, Tag::ab)),
        engine_);
    if (std::strncmp(primitive.impl_info_str(), "ref", 3) == 0)
      throw std::runtime_error("it has reference loops only");
    matmul_ = dnnl::matmul(primitive);
    const dnnl::memory plain(column ? make_desc(p.k, p.m, Tag::ba) : make_desc(p.m, p.k, Tag::ab),
                             engine_,
                             const_cast<float*>(p.dense_a));  // read only; memory has no const form
    dnnl::memory a(column ? primitive.weights_desc() : primitive.src_desc(), engine_);
    dnnl::reorder(plain, a).execute(stream_, const_cast<dnnl::memory&>(plain), a);
    stream_.wait();
    dnnl::memory b(column ? primitive.src_desc() : primitive.weights_desc(), engine_,
                   const_cast<float*>(p.b));
    arguments_ = {{column ? DNNL_ARG_WEIGHTS : DNNL_ARG_SRC, a},
                  {column ? DNNL_ARG_SRC : DNNL_ARG_WEIGHTS, b},
                  {DNNL_ARG_DST, dnnl::memory(primitive.dst_desc(), engine_, p.c)}};
  }
  void run() {
    matmul_.execute(stream_, arguments_);
    stream_.wait();
  }

 private:
  dnnl::engine engine_;
  dnnl::stream stream_;
  dnnl::matmul matmul_;
  std::unordered_map<int, dnnl::memory> arguments_;
};

}  // namespace

LACUNA_RIVAL_EXPORT const RivalVariant* lacuna_rival_variants(std::int32_t* count) {
  const dnnl_version_t* const version = dnnl_version();
  static const std::string kLibrary =
      fmt::format("oneDNN {}.{}.{}", version->major, version->minor, version->patch);
  static const std::string kSgemm = kLibrary + " sgemm";
  static const std::string kMatmul = kLibrary + " matmul, packed";
  static const std::array<RivalVariant, 2> kVariants = {
      lacuna::make_variant<OneDnnSgemm>(kSgemm.c_str(), true),
      lacuna::make_variant<OneDnnMatmul>(kMatmul.c_str(), true)};
  *count = static_cast<std::int32_t>(kVariants.size());
  return kVariants.data();
}
