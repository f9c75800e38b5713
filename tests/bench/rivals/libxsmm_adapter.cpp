// SPDX-License-Identifier: Apache-2.0
//
// LIBXSMM 1.17, the version that Debian 12 has. What it offers for one sparse f32 matrix times a dense one:
//
//   SpMDM          A cut into slices of 32 x 128 stored as CSR; both layouts; the pattern is data
//   xcsr_soa       straight-line code with the pattern in it, B and C as [row][column / 16][16]: what row-major
//                  operands are when 16 divides N. At most 128 KiB of code a kernel, so A is cut into strips of rows
//   batch-reduce   no sparse kernel, but what its users make block-sparse products of: one call sums the products of a
//                  block row's blocks into C
//   fsspmdm        for at most 480 distinct values, which it holds in registers and L1, else it is a dense kernel; the
//                  weights here are all different: not measured
//
// Its block-sparse kernels (BCSC) came after 1.17.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <libxsmm.h>
#include <memory>
#include <stdexcept>
#include <type_traits>
#include <utility>
#include <vector>

#include "tests/bench/rivals/adapter_module.h"
#include "tests/bench/rivals/fastest.h"
#include "tests/bench/rivals/rival_case.h"

namespace {

constexpr int kLanes = 16;

int narrow(std::int64_t value) {
  return static_cast<int>(value);
}

class Spmdm {
 public:
  explicit Spmdm(const RivalCase& product) : p_(product) {
    libxsmm_spmdm_init(narrow(p_.m), narrow(p_.n), narrow(p_.k), 1, &handle_, &slices_);
    const int count = libxsmm_spmdm_get_num_createSparseSlice_blocks(&handle_);
    for (int i = 0; i < count; ++i)
      libxsmm_spmdm_createSparseSlice_fp32_thread(&handle_, 'N', p_.dense_a, slices_, i, 0, 1);
  }
  Spmdm(const Spmdm&) = delete;
  Spmdm& operator=(const Spmdm&) = delete;
  ~Spmdm() { libxsmm_spmdm_destroy(&handle_); }

  void run() {
    const float one = 1;
    const float zero = 0;
    const char trans = p_.column_major != 0 ? 'T' : 'N';
    const int count = libxsmm_spmdm_get_num_compute_blocks(&handle_);
    for (int i = 0; i < count; ++i)
      libxsmm_spmdm_compute_fp32_thread(&handle_, 'N', trans, &one, slices_, p_.b, trans, &zero,
                                        p_.c, i, 0, 1);
  }

 private:
  RivalCase p_;
  libxsmm_spmdm_handle handle_{};
  libxsmm_CSR_sparseslice* slices_ = nullptr;
};

// Strips of rows, each a kernel for `vectors` x 16 columns, run for all columns.
class CodeStrips {
 public:
  CodeStrips(const RivalCase& product, int vectors) : p_(product), vectors_(vectors) {
    // A weight is a broadcast and `vectors` FMAs, with room for the longest encodings.
    constexpr std::int64_t kCodeBytes = 110000;
    constexpr std::int64_t kInstructionBytes = 11;
    const std::int64_t most = kCodeBytes / (kInstructionBytes * (vectors + 1));
    std::int64_t begin = 0;
    for (std::int64_t row = 0; row < p_.m; ++row) {
      if (row > begin && p_.row_ptr[row + 1] - p_.row_ptr[begin] > most) {
        add_strip(begin, row);
        begin = row;
      }
      if (p_.row_ptr[row + 1] == p_.row_ptr[row]) empty_rows_.push_back(row);
      if (p_.row_ptr[row + 1] - p_.row_ptr[row] > most)
        throw std::runtime_error("a row is too long for its 128 KiB of code");
    }
    add_strip(begin, p_.m);
  }
  void run() {
    for (const std::int64_t row : empty_rows_)  // the kernels leave these as they are
      std::fill_n(p_.c + row * p_.n, p_.n, 0.0F);
    for (const Strip& strip : strips_)
      for (std::int64_t n = 0; n < p_.n; n += std::int64_t{kLanes} * vectors_)
        strip.kernel.get()(strip.values, p_.b + n, p_.c + strip.row * p_.n + n);
  }

 private:
  struct Release {
    void operator()(libxsmm_smmfunction kernel) const {
      libxsmm_release_kernel(reinterpret_cast<const void*>(kernel));
    }
  };
  struct Strip {
    std::int64_t row = 0;
    const float* values = nullptr;
    std::unique_ptr<std::remove_pointer_t<libxsmm_smmfunction>, Release> kernel;
  };

  void add_strip(std::int64_t begin, std::int64_t end) {
    const std::int32_t first = p_.row_ptr[begin];
    if (p_.row_ptr[end] == first) return;
    std::vector<unsigned> row_ptr;
    for (std::int64_t row = begin; row <= end; ++row)
      row_ptr.push_back(static_cast<unsigned>(p_.row_ptr[row] - first));
    const std::vector<unsigned> col_idx(p_.col_idx + first, p_.col_idx + p_.row_ptr[end]);
    const int ld = narrow(p_.n / kLanes);
    libxsmm_descriptor_blob blob;
    const auto* const descriptor = libxsmm_gemm_descriptor_dinit(
        &blob, LIBXSMM_GEMM_PRECISION_F32, narrow(end - begin), vectors_, narrow(p_.k), 0, ld, ld,
        1.0, 0.0, LIBXSMM_GEMM_FLAG_BETA_0, LIBXSMM_GEMM_PREFETCH_NONE);
    const auto kernel = libxsmm_create_xcsr_soa(descriptor, row_ptr.data(), col_idx.data(),
                                                p_.values + first, kLanes);
    if (kernel.smm == nullptr) throw std::runtime_error("it made no kernel");
    strips_.push_back({begin, p_.values + first, {kernel.smm, Release{}}});
  }

  RivalCase p_;
  int vectors_;
  std::vector<Strip> strips_;
  std::vector<std::int64_t> empty_rows_;
};

// One call a block row and tile of `width` columns; offsets of the blocks and of their rows of B in bytes. LIBXSMM is
// column-major: for row-major operands it computes C' = B' * A'.
class BatchReduce {
 public:
  BatchReduce(const RivalCase& product, int width) : p_(product), width_(width) {
    const bool column = p_.column_major != 0;
    const int r = p_.block_r;
    const int c = p_.block_c;
    const int ld_blocks = column ? r : c;
    const int ld_b = narrow(column ? p_.k : p_.n);
    const int ld_c = narrow(column ? p_.m : p_.n);
    const float one = 1;
    const float zero = 0;
    const int flags = LIBXSMM_GEMM_FLAG_NONE;
    kernel_ = column ? libxsmm_smmdispatch_reducebatch_offs(r, width, c, &ld_blocks, &ld_b, &ld_c,
                                                            &one, &zero, &flags, nullptr)
                     : libxsmm_smmdispatch_reducebatch_offs(width, r, c, &ld_b, &ld_blocks, &ld_c,
                                                            &one, &zero, &flags, nullptr);
    if (kernel_ == nullptr) throw std::runtime_error("it made no kernel");
    for (std::int64_t row = 0; row < p_.m; row += r)
      rows_.push_back(make_row(row));
  }

  void run() {
    const bool column = p_.column_major != 0;
    for (std::int64_t n = 0; n < p_.n; n += width_)
      for (std::size_t i = 0; i < rows_.size(); ++i) {
        const Row& row = rows_[i];
        const std::int64_t m = static_cast<std::int64_t>(i) * p_.block_r;
        const unsigned long long count = row.block.size();
        if (count == 0)
          clear(m, n);
        else if (column)
          kernel_(values_.data(), p_.b + n * p_.k, p_.c + n * p_.m + m, &count, row.block.data(),
                  row.of_b.data());
        else
          kernel_(p_.b + n, values_.data(), p_.c + m * p_.n + n, &count, row.of_b.data(),
                  row.block.data());
      }
  }

 private:
  struct Row {
    std::vector<unsigned long long> block, of_b;  // offsets in bytes
  };

  Row make_row(std::int64_t m) {
    Row row;
    for (std::int32_t e = p_.row_ptr[m]; e < p_.row_ptr[m + 1]; e += p_.block_c) {
      const std::int64_t k = p_.col_idx[e];
      row.block.push_back(values_.size() * sizeof(float));
      row.of_b.push_back(static_cast<unsigned long long>(p_.column_major != 0 ? k : k * p_.n) *
                         sizeof(float));
      add_block(m, k);
    }
    return row;
  }
  // Column-major for column-major operands, row-major for the others.
  void add_block(std::int64_t m, std::int64_t k) {
    const bool column = p_.column_major != 0;
    const std::int64_t outer = column ? p_.block_c : p_.block_r;
    const std::int64_t inner = column ? p_.block_r : p_.block_c;
    for (std::int64_t i = 0; i < outer; ++i)
      for (std::int64_t j = 0; j < inner; ++j)
        values_.push_back(p_.dense_a[(m + (column ? j : i)) * p_.k + k + (column ? i : j)]);
  }
  void clear(std::int64_t m, std::int64_t n) {
    for (std::int64_t i = 0; i < p_.block_r; ++i)
      for (std::int64_t j = 0; j < width_; ++j)
        p_.c[p_.column_major != 0 ? (n + j) * p_.m + m + i : (m + i) * p_.n + n + j] = 0;
  }

  RivalCase p_;
  int width_;
  libxsmm_smmfunction_reducebatch_offs kernel_ = nullptr;
  std::vector<float> values_;
  std::vector<Row> rows_;
};

// The fastest of one kind of product over its parameter.
template <class Product>
class Tuned {
 public:
  Tuned(const RivalCase& p, const std::vector<int>& parameters, std::int64_t granule) {
    std::vector<Product> all;
    for (const int parameter : parameters)
      if (p.n % (parameter * granule) == 0) all.emplace_back(p, parameter);
    if (all.empty()) throw std::runtime_error("N is not a multiple of its tiles");
    std::vector<std::function<void()>> calls;
    for (Product& product : all)
      calls.emplace_back([&product] { product.run(); });
    products_.push_back(std::move(all[lacuna::fastest_of(calls)]));
  }
  void run() { products_.front().run(); }

 private:
  std::vector<Product> products_;  // one
};

class TunedCodeStrips : public Tuned<CodeStrips> {
 public:
  explicit TunedCodeStrips(const RivalCase& p) : Tuned(p, vectors_for(p), kLanes) {}

 private:
  static std::vector<int> vectors_for(const RivalCase& p) {
    if (p.column_major != 0) throw std::runtime_error("it needs 16 columns of B side by side");
    return {1, 2, 4, 8};
  }
};

class TunedBatchReduce : public Tuned<BatchReduce> {
 public:
  explicit TunedBatchReduce(const RivalCase& p) : Tuned(p, widths_for(p), 1) {}

 private:
  static std::vector<int> widths_for(const RivalCase& p) {
    if (p.block_r * p.block_c == 1) throw std::runtime_error("the mask has no blocks");
    return {16, 32, 64, 128, 256};
  }
};

}  // namespace

LACUNA_RIVAL_EXPORT const RivalVariant* lacuna_rival_variants(std::int32_t* count) {
  libxsmm_init();
  static const std::array<RivalVariant, 3> kVariants = {
      lacuna::make_variant<TunedBatchReduce>("LIBXSMM " LIBXSMM_VERSION " batch-reduce", false),
      lacuna::make_variant<TunedCodeStrips>("LIBXSMM " LIBXSMM_VERSION " xcsr_soa", false),
      lacuna::make_variant<Spmdm>("LIBXSMM " LIBXSMM_VERSION " SpMDM", false)};
  *count = static_cast<std::int32_t>(kVariants.size());
  return kVariants.data();
}
