// SPDX-License-Identifier: Apache-2.0
//
// A stranger's C++ program: what a trainer does with one sparse weight, through the installed lacuna.hpp.
// Forward, input gradient and weight gradient share one buffer of values; each is checked against a triple loop.
//     multiply [BUNDLE TARGET]      with kernels made ahead of time, and no others
// Exit status: 0 correct, 1 an error of the library (its message on stderr), 2 a wrong element.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <iostream>
#include <lacuna/lacuna.hpp>
#include <limits>
#include <vector>

namespace {

// Neither M nor K is a multiple of the block: the last block row and column are cut off.
constexpr int kM = 70, kK = 90, kN = 19, kBlock = 16;
constexpr int kBlockRows = (kM + kBlock - 1) / kBlock, kBlockColumns = (kK + kBlock - 1) / kBlock;

std::vector<float> waves(int count, float step) {
  std::vector<float> values(static_cast<std::size_t>(count));
  for (int i = 0; i < count; ++i)
    values[static_cast<std::size_t>(i)] = std::sin(step * static_cast<float>(i + 1));
  return values;
}

std::vector<std::uint8_t> block_flags() {
  std::vector<std::uint8_t> flags;
  for (int block = 0; block < kBlockRows * kBlockColumns; ++block)
    flags.push_back(block % 4 == 1 ? 1 : 0);
  return flags;
}

// A dense operand in column-major order, as trainers hold it: X(i, n) at data[i + n * rows].
struct Tokens {
  std::vector<float> data;
  int rows;
  [[nodiscard]] float at(int i, int n) const {
    return data[static_cast<std::size_t>(i + n * rows)];
  }
};

// Within the rounding bound of a sum of `length` products: (length + 2) * 2^-24 * sum |product|.
template <class Product>
bool close(float actual, int length, Product product) {
  double sum = 0, magnitude = 0;
  for (int l = 0; l < length; ++l) {
    sum += product(l);
    magnitude += std::abs(product(l));
  }
  return std::abs(actual - sum) <= (length + 2) * std::ldexp(magnitude, -24);
}

// Signed bytes times unsigned ones, of which every sum is exact. Where the machine has no instruction for them, the
// library says so; nothing is wrong then.
int wrong_products_of_bytes(const lacuna::Context& context) {
  constexpr int kRows = 32, kColumns = 64;
  const auto mask = lacuna::Mask::from_blocks(kRows, kColumns, 16, 16, {1, 0, 1, 1, 0, 1, 1, 0});
  std::vector<std::int8_t> a(kRows * kColumns);
  std::vector<std::uint8_t> b(kColumns * kN);
  for (std::size_t i = 0; i < a.size(); ++i)
    a[i] = static_cast<std::int8_t>(static_cast<int>(i * 89 % 256) - 128);
  for (std::size_t i = 0; i < b.size(); ++i)
    b[i] = static_cast<std::uint8_t>(i * 57);
  std::vector<float> c(kRows * kN);
  try {
    const lacuna::Plan plan(context, mask, {{.types = lacuna::Types::kS8U8F32}},
                            {.format = "bsr16x16"});
    const auto values = plan.pack_elements(a.data(), kColumns);
    plan.spmm(0, values.data(), {b.data(), kN}, {c.data(), kN}, kN);
    const std::vector<float> kept = plan.unpack(values.data());
    int wrong = 0;
    for (std::size_t i = 0; i < kRows; ++i)
      for (std::size_t n = 0; n < kN; ++n) {
        float sum = 0;
        for (std::size_t j = 0; j < kColumns; ++j)
          sum += kept[i * kColumns + j] * static_cast<float>(b[j * kN + n]);
        wrong += c[i * kN + n] == sum ? 0 : 1;
      }
    return wrong;
  } catch (const lacuna::Exception& error) {
    std::cout << "no products of bytes: " << error.what() << '\n';
    return 0;
  }
}

int run(const lacuna::ContextOptions& options) {
  const auto flags = block_flags();
  std::vector<float> a = waves(kM * kK, 0.7F);
  for (int i = 0; i < kM; ++i)
    for (int j = 0; j < kK; ++j)
      if (flags[static_cast<std::size_t>(i / kBlock * kBlockColumns + j / kBlock)] == 0)
        a[static_cast<std::size_t>(i * kK + j)] = 0;
  const auto weight = [&](int i, int j) {
    return static_cast<double>(a[static_cast<std::size_t>(i * kK + j)]);
  };

  const lacuna::Context context(options);
  const auto mask = lacuna::Mask::from_blocks(kM, kK, kBlock, kBlock, flags);
  constexpr auto kTokens = lacuna::Layout::kColMajor;
  const lacuna::Plan plan(
      context, mask,
      {{.op = lacuna::Op::kSpmm, .layout_b = kTokens, .layout_c = kTokens, .n = kN},
       {.op = lacuna::Op::kSpmmTransposed, .layout_b = kTokens, .layout_c = kTokens, .n = kN},
       {.op = lacuna::Op::kSddmm, .layout_b = kTokens, .layout_c = kTokens, .n = kN}},
      {.format = "bsr16x16", .exact = true});
  const std::vector<float> values = plan.pack(a.data(), kK);
  lacuna::Mask::prune_n_of_m(kM, kK, a.data(), kK, {.n = 2, .m = 4}).check_n_of_m({.n = 2, .m = 4});

  constexpr float kUnwritten = std::numeric_limits<float>::quiet_NaN();
  const Tokens x{waves(kK * kN, 0.3F), kK}, dy{waves(kM * kN, 1.1F), kM};
  Tokens y{std::vector<float>(dy.data.size(), kUnwritten), kM},
      dx{std::vector<float>(x.data.size(), kUnwritten), kK};
  std::vector<float> dvalues(values.size(), kUnwritten);
  plan.spmm(0, values.data(), {x.data.data(), kK}, {y.data.data(), kM}, kN);
  plan.spmm(1, values.data(), {dy.data.data(), kM}, {dx.data.data(), kK}, kN);
  plan.sddmm(2, dvalues.data(), {dy.data.data(), kM}, {x.data.data(), kK}, kN);
  const std::vector<float> da = plan.unpack(dvalues.data());

  int wrong = 0;
  for (int n = 0; n < kN; ++n) {
    for (int i = 0; i < kM; ++i)
      wrong += close(y.at(i, n), kK, [&](int j) { return weight(i, j) * x.at(j, n); }) ? 0 : 1;
    for (int j = 0; j < kK; ++j)
      wrong += close(dx.at(j, n), kM, [&](int i) { return weight(i, j) * dy.at(i, n); }) ? 0 : 1;
  }
  const auto wrong_gradients = [&](const std::vector<float>& found) {
    int count = 0;
    for (int i = 0; i < kM; ++i)
      for (int j = 0; j < kK; ++j) {
        const bool stored =
            flags[static_cast<std::size_t>(i / kBlock * kBlockColumns + j / kBlock)] != 0;
        const bool right =
            close(found[static_cast<std::size_t>(i * kK + j)], stored ? kN : 0,
                  [&](int n) { return static_cast<double>(dy.at(i, n)) * x.at(j, n); });
        count += right ? 0 : 1;
      }
    return count;
  };
  wrong += wrong_gradients(da);
  // Nor may the check take a gradient that is zero everywhere.
  if (wrong_gradients(std::vector<float>(da.size())) == 0) {
    std::cerr << "a gradient of zeros would pass\n";
    ++wrong;
  }
  if (wrong != 0) std::cerr << wrong << " elements are wrong\n";
  std::cout << lacuna_version() << ": " << plan.kernel(0) << '\n';
  if (const int of_bytes = wrong_products_of_bytes(context); of_bytes != 0) {
    std::cerr << of_bytes << " sums of bytes are wrong\n";
    return 2;
  }
  return wrong == 0 ? 0 : 2;
}

}  // namespace

int main(int argc, char** argv) {
  lacuna::ContextOptions options;
  if (argc == 3) {
    options.cache_folder = "";
    options.bundle_folder = argv[1];
    options.target = argv[2];
  }
  try {
    return run(options);
  } catch (const lacuna::Exception& error) {
    std::cerr << "error " << error.status() << ": " << error.what() << '\n';
    return 1;
  }
}
