// SPDX-License-Identifier: Apache-2.0
#include "templates/epilogue.h"

#include <cmath>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "targets/base/fields.h"
#include "targets/base/result.h"
#include "templates/activation.h"
#include "templates/epilogue_reference.h"

namespace lacuna {
namespace {

std::vector<Epilogue> all_epilogues() {
  std::vector<Epilogue> epilogues;
  for (const auto& [activation, activation_name] : EnumNames<Activation>::kNames)
    for (const auto& [scale, scale_name] : EnumNames<Scale>::kNames)
      for (int bits = 0; bits < 32; ++bits)
        epilogues.push_back({.scale = scale,
                             .bias = (bits & 1) != 0,
                             .activation = activation,
                             .derivative = (bits & 2) != 0,
                             .glu = (bits & 16) != 0,
                             .gate = (bits & 4) != 0,
                             .residual = (bits & 8) != 0});
  std::erase_if(epilogues,
                [](const Epilogue& e) { return !check_epilogue(e, ElementTypes::kF32); });
  return epilogues;
}

TEST(Epilogue, EveryCombinationParsesBackAndIsUnique) {
  std::set<std::string> texts;
  for (const Epilogue& epilogue : all_epilogues()) {
    const std::string text = to_text(epilogue);
    EXPECT_TRUE(texts.insert(text).second) << text;
    const auto parsed = parse_epilogue(text);
    ASSERT_TRUE(parsed) << parsed.error().message;
    EXPECT_EQ(*parsed, epilogue) << text;
  }
  // 5 scales, bias, gate and residual or not; no activation, or one, or its derivative; with glu neither gate nor
  // derivative.
  const std::size_t activations = EnumNames<Activation>::kNames.size();
  EXPECT_EQ(texts.size(), 5U * 8U * (2 * activations - 1) + 5U * 4U * activations);
}

TEST(Epilogue, HasTheDocumentedTexts) {
  EXPECT_EQ(to_text(Epilogue{}), "none");
  EXPECT_EQ(to_text(Epilogue{.bias = true}), "bias");
  EXPECT_EQ(to_text(Epilogue{.bias = true, .activation = Activation::kRelu}), "bias_relu");
  EXPECT_EQ(to_text(Epilogue{.scale = Scale::kRows,
                             .bias = true,
                             .activation = Activation::kGeluTanh,
                             .gate = true,
                             .residual = true}),
            "scale_rows_bias_gelu_tanh_gate_residual");
  EXPECT_EQ(to_text(Epilogue{.activation = Activation::kSilu, .derivative = true, .gate = true}),
            "dsilu_gate");
  EXPECT_EQ(to_text(Epilogue{
                .bias = true, .activation = Activation::kSilu, .glu = true, .residual = true}),
            "bias_silu_glu_residual");
  EXPECT_EQ(to_text(Epilogue{.scale = Scale::kColumns}), "scale_columns");
  EXPECT_EQ(to_text(Epilogue{.scale = Scale::kRowsColumns, .bias = true}),
            "scale_rows_columns_bias");
}

TEST(Epilogue, IsOneStringInJson) {
  const Epilogue epilogue{.bias = true, .activation = Activation::kRelu};
  const nlohmann::json json = to_json_value(epilogue);
  EXPECT_EQ(json, "bias_relu");
  Epilogue back;
  ASSERT_TRUE(from_json_value(json, back));
  EXPECT_EQ(back, epilogue);
  const auto number = from_json_value(nlohmann::json(3), back);
  ASSERT_FALSE(number);
  EXPECT_EQ(number.error().message, "expected a string");
}

TEST(Epilogue, IsCutOffTheEndOfAName) {
  std::string_view text = "row_mr4nv1ku1_po_bias_dgelu_erf";
  EXPECT_EQ(cut_epilogue(text),
            (Epilogue{.bias = true, .activation = Activation::kGeluErf, .derivative = true}));
  EXPECT_EQ(text, "row_mr4nv1ku1_po");
  EXPECT_EQ(cut_epilogue(text), Epilogue{});
  EXPECT_EQ(text, "row_mr4nv1ku1_po");
}

TEST(EpilogueText, IsRefusedWhereItHasOtherPartsOrAnotherOrder) {
  for (const char* text :
       {"", "gelu", "relu_bias", "bias_none", "residual_gate", "bias_bias", "_bias", "bias_",
        "Bias", "scale_scale_rows", "ddsilu", "dnone", "gate_glu", "glu_silu"}) {
    const auto parsed = parse_epilogue(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_EQ(parsed.error().code, ErrorCode::kInvalidArgument);
    EXPECT_EQ(parsed.error().message,
              "'" + std::string(text) +
                  "' is not none, nor parts in this order, joined by _: one of scale, scale_rows, "
                  "scale_columns, scale_rows_columns, bias, one of relu, gelu_erf, gelu_tanh, silu "
                  "(with a d before it its derivative), "
                  "glu or gate, residual");
  }
}

TEST(CheckEpilogue, NamesWhatIsWrong) {
  const auto message = [](const Epilogue& epilogue) {
    const auto checked = check_epilogue(epilogue, ElementTypes::kF32);
    return checked ? std::string() : checked.error().message;
  };
  EXPECT_EQ(message({.scale = static_cast<Scale>(5)}), "scale 5 is not a known value");
  EXPECT_EQ(message({.activation = static_cast<Activation>(99)}),
            "activation 99 is not a known value");
  EXPECT_EQ(message({.derivative = true}), "a derivative needs an activation");
  EXPECT_EQ(message({.glu = true, .gate = true}),
            "glu does not go with gate: it multiplies the activation by rows of the product");
  EXPECT_EQ(
      message({.activation = Activation::kSilu, .derivative = true, .glu = true}),
      "glu does not go with a derivative: it multiplies the activation by rows of the product");
  const auto of_sums =
      check_epilogue({.scale = Scale::kRows, .bias = true}, ElementTypes::kS8U8S32);
  ASSERT_FALSE(of_sums);
  EXPECT_EQ(of_sums.error().message,
            "s8u8s32 takes no epilogue, not scale_rows_bias: results are sums");
  EXPECT_TRUE(check_epilogue({}, ElementTypes::kS8U8S32));
}

// The slopes of the reference against differences of its values: a check that shares no formula with them.
TEST(ActivationReference, SlopesAreThoseOfTheValues) {
  for (const auto& [activation, name] : EnumNames<Activation>::kNames) {
    if (activation == Activation::kNone) continue;
    const ActivationFacts& facts = facts_of(activation);
    for (double x = -9; x <= 9; x += 0.0625) {
      if (activation == Activation::kRelu && x == 0) continue;
      constexpr double kStep = 1e-5;
      const double difference = (facts.value(x + kStep) - facts.value(x - kStep)) / (2 * kStep);
      EXPECT_NEAR(facts.slope(x), difference, 1e-9) << name << " " << x;
      EXPECT_LE(std::abs(facts.slope(x)), facts.max_slope) << name << " " << x;
    }
  }
}

TEST(ActivationReference, HasTheKnownValues) {
  using reference::gelu_erf, reference::gelu_tanh, reference::silu;
  EXPECT_NEAR(gelu_erf(1), 0.8413447460685429, 1e-15);     // Phi(1)
  EXPECT_NEAR(gelu_erf(-1), -0.15865525393145707, 1e-15);  // -Phi(-1)
  EXPECT_NEAR(silu(1), 0.7310585786300049, 1e-15);         // e / (1 + e)
  const double u = std::sqrt(2 / std::acos(-1.0)) * (2 + 0.044715 * 8);
  EXPECT_NEAR(gelu_tanh(2), 1 + std::tanh(u), 1e-15);
}

TEST(EpilogueReference, RoundsTheProductOfBothScales) {
  reference::EpilogueTerms terms{.scale = 1 + 0x1p-23};
  terms.scale_by_column(1 + 0x1p-23F);
  EXPECT_EQ(terms.scale, 1 + 0x1p-22);  // without 2^-46
}

// (relu(2 * 3 - 1)) * (2 * -4 - 1) + 0.5, with errors that bound those of numbers at their ends.
TEST(EpilogueReference, MultipliesByTheOtherHalf) {
  const Epilogue epilogue{.scale = Scale::kFactor,
                          .bias = true,
                          .activation = Activation::kRelu,
                          .glu = true,
                          .residual = true};
  reference::EpilogueTerms terms{.scale = 2, .bias = -1, .residual = 0.5};
  terms.other_half = reference::scale_and_bias(epilogue, {-4, 0.25}, terms);
  EXPECT_EQ(terms.other_half.value, -9);
  const auto found = reference::apply_epilogue(epilogue, {3, 0.125}, terms, DType::kF32);
  EXPECT_EQ(found.value, -44.5);
  const double farthest = (2 * 3.125 - 1) * (2 * -4.25 - 1) + 0.5;
  EXPECT_GE(found.error, found.value - farthest);
  EXPECT_LT(found.error, 1.001 * (found.value - farthest));
}

TEST(EpilogueReference, AppliesThePartsInTheirOrder) {
  const Epilogue epilogue{.scale = Scale::kFactor,
                          .bias = true,
                          .activation = Activation::kRelu,
                          .gate = true,
                          .residual = true};
  const reference::EpilogueTerms terms{
      .scale = 2, .bias = -1, .preactivation = 9, .gate = 5, .residual = 0.5};
  EXPECT_EQ(reference::apply_epilogue(epilogue, {3, 0}, terms, DType::kF32).value, 25.5);
  EXPECT_EQ(reference::apply_epilogue(epilogue, {0, 0}, terms, DType::kF32).value, 0.5);
  Epilogue backward = epilogue;
  backward.derivative = true;
  EXPECT_EQ(reference::apply_epilogue(backward, {-3, 0}, terms, DType::kF32).value, -34.5);
}

}  // namespace
}  // namespace lacuna
