// SPDX-License-Identifier: Apache-2.0
//
// The activations as generated code, over a sweep of all floats, against the bounds of activations.inc.
#include "templates/activation.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <ostream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "codegen/code_generator.h"
#include "codegen/kernel.h"
#include "targets/base/dtype.h"
#include "targets/base/fields.h"
#include "targets/host.h"
#include "targets/target_yaml.h"
#include "templates/abi.h"
#include "templates/epilogue.h"
#include "templates/epilogue_reference.h"
#include "templates/kernel_spec.h"
#include "templates/registry.h"

namespace lacuna::test {
namespace {

struct Sweep {
  const char* target;
  Activation activation;
  bool derivative;
};

std::ostream& operator<<(std::ostream& out, const Sweep& sweep) {
  return out << sweep.target << " " << (sweep.derivative ? "d" : "") << to_text(sweep.activation);
}

std::vector<Sweep> all_sweeps() {
  std::vector<Sweep> sweeps;
  for (const char* target : {"host", "x86-64-v3"})
    for (const auto& [activation, name] : EnumNames<Activation>::kNames)
      for (const bool derivative : {false, true})
        if (activation != Activation::kNone) sweeps.push_back({target, activation, derivative});
  return sweeps;
}

// A float of every few thousand, of both signs and all sizes; denormals, infinities and NaN among them, and 0, -0.
std::vector<float> sweep_of_floats() {
  constexpr std::uint64_t kStep = 2003;  // prime: all low bits occur
  std::vector<float> numbers{0.0F, -0.0F};
  for (std::uint64_t bits = 0; bits <= std::numeric_limits<std::uint32_t>::max(); bits += kStep)
    numbers.push_back(std::bit_cast<float>(static_cast<std::uint32_t>(bits)));
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  for (const float special :
       {kInfinity, -kInfinity, std::numeric_limits<float>::denorm_min(),
        std::numeric_limits<float>::max(), std::numeric_limits<float>::lowest(), std::nanf("")})
    numbers.push_back(special);
  return numbers;
}

class ActivationSweep : public testing::TestWithParam<Sweep> {
 protected:
  // What a 1 x 1 matrix of one makes of x: act(x), or gradient * act'(x).
  static std::vector<float> run(const KernelSpec& spec, const Target& target,
                                const std::vector<float>& x, float gradient = 1) {
    const auto generator = load_code_generator();
    EXPECT_TRUE(generator) << generator.error().message;
    const auto object = (*generator)->compile(spec, target);
    EXPECT_TRUE(object) << object.error().message;
    const auto kernel = LoadedKernel::load(*object);
    EXPECT_TRUE(kernel) << kernel.error().message;

    const auto n = static_cast<std::int64_t>(x.size());
    float one = 1;
    const std::vector<std::int64_t> ptr{0, 1};
    const std::vector<std::int32_t> origin(1 + kOriginPadding);
    const std::vector<float> gradients(spec.epilogue.derivative ? x.size() : 0, gradient);
    std::vector<float> c(x.size(), -7.0F);
    std::vector<float> scratch(
        static_cast<std::size_t>(scratch_floats(spec, target, 1, 1, n) + kAlignment));
    KernelArgs args{};
    args.values = &one;
    args.ptr = ptr.data();
    args.origin = origin.data();
    args.b = spec.epilogue.derivative ? gradients.data() : x.data();
    args.preactivation = x.data();
    args.c = c.data();
    args.scratch = aligned(scratch.data());
    args.ldb = args.ldc = args.ld_preactivation = n;
    args.rows_out = args.rows_in = args.panel_end = 1;
    args.n_end = n;
    reinterpret_cast<SparseKernel>(kernel->address())(&args);
    return c;
  }

 private:
  static constexpr std::int64_t kAlignment = 16;  // floats
  static float* aligned(float* pointer) {
    const auto floats = static_cast<std::int64_t>(std::bit_cast<std::uintptr_t>(pointer) / 4);
    return pointer + (kAlignment - floats % kAlignment) % kAlignment;
  }
};

// How far `found` is off, in units of what the table allows.
double share_of_bound(const Sweep& sweep, float x, float found) {
  const ActivationFacts& facts = facts_of(sweep.activation);
  const double u = unit_roundoff(DType::kF32);
  const double value = facts.value(x);
  const double expected = sweep.derivative ? facts.slope(x) : value;
  if (std::isinf(expected)) return static_cast<double>(found) == expected ? 0 : 1e9;
  const double scale = std::abs(expected) + (sweep.derivative ? std::min(1.0, std::abs(value)) : 0);
  const double bound =
      (sweep.derivative ? facts.slope_ulps : facts.ulps) * u * scale + reference::kHalfDenormal;
  return std::abs(found - expected) / bound;
}

TEST_P(ActivationSweep, StaysWithinTheTablesBounds) {
  const Sweep& sweep = GetParam();
  const auto target = find_target(sweep.target);
  if (!target) GTEST_SKIP() << target.error().message;
  if (const auto runs = check_runs_on_host(*target); !runs) GTEST_SKIP() << runs.error().message;
  KernelSpec spec;
  spec.epilogue = {.activation = sweep.activation, .derivative = sweep.derivative};
  spec.schedule = enumerate_schedules(spec, *target).front();
  const std::vector<float> x = sweep_of_floats();
  const std::vector<float> found = run(spec, *target, x);
  double worst = 0;
  std::size_t worst_at = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (std::isnan(x[i])) {
      const bool counts_as_one = sweep.derivative && sweep.activation == Activation::kRelu;
      ASSERT_TRUE(counts_as_one ? found[i] == 1 : std::isnan(found[i])) << "of a NaN: " << found[i];
      continue;
    }
    const double share = share_of_bound(sweep, x[i], found[i]);
    ASSERT_FALSE(std::isnan(share)) << "of " << x[i] << ": " << found[i];
    if (share <= worst) continue;
    worst = share;
    worst_at = i;
  }
  EXPECT_LE(worst, 1) << "of " << x[worst_at] << ": " << found[worst_at];
  RecordProperty("share_of_bound", std::to_string(worst));
}

// In whole vectors and in their tail.
TEST_P(ActivationSweep, PassesOnWhatIsNoFiniteGradient) {
  const Sweep& sweep = GetParam();
  if (!sweep.derivative) return;
  const auto target = find_target(sweep.target);
  if (!target) GTEST_SKIP() << target.error().message;
  if (const auto runs = check_runs_on_host(*target); !runs) GTEST_SKIP() << runs.error().message;
  KernelSpec spec;
  spec.epilogue = {.activation = sweep.activation, .derivative = true};
  spec.schedule = enumerate_schedules(spec, *target).front();
  std::vector<float> x;
  for (int i = 0; i < 37; ++i)
    x.push_back(
        std::array{-2.0F, 0.5F, 0.0F, 1.0F, -0.0F, -0.25F}.at(static_cast<std::size_t>(i) % 6));
  for (const float gradient : {std::nanf(""), std::numeric_limits<float>::infinity()}) {
    const std::vector<float> found = run(spec, *target, x, gradient);
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double expected = reference::times_slope(sweep.activation, {gradient, 0}, x[i]).value;
      const bool chosen = sweep.activation == Activation::kRelu && x[i] <= 0;
      ASSERT_EQ(chosen, expected == 0) << "of " << x[i];
      ASSERT_EQ(std::isnan(found[i]), std::isnan(expected)) << "of " << x[i] << ": " << found[i];
      if (std::isnan(expected)) continue;
      ASSERT_EQ(found[i], expected) << "of " << x[i];
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, ActivationSweep, testing::ValuesIn(all_sweeps()),
                         [](const auto& test) {
                           const Sweep& sweep = test.param;
                           std::string name = testing::PrintToString(sweep);
                           std::ranges::replace_if(
                               name, [](char c) { return c == ' ' || c == '-'; }, '_');
                           return name;
                         });

}  // namespace
}  // namespace lacuna::test
