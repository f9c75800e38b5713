// SPDX-License-Identifier: Apache-2.0
#include "tuner/cli/demo_report.h"

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "runtime/trainer/layer.h"
#include "runtime/trainer/trainer.h"
#include "targets/base/file.h"
#include "targets/base/result.h"
#include "tests/unit/targets/temp_folder.h"
#include "tuner/cli/demo_kernels.h"

namespace lacuna::cli {
namespace {

trainer::EpochMetrics epoch_of(double seconds, double test_accuracy) {
  trainer::EpochMetrics metrics;
  metrics.seconds = seconds;
  metrics.test_accuracy = test_accuracy;
  return metrics;
}

// One layer of 64 x 32 weights, of which `stored` are.
DemoNet net_of(const std::string& name, const std::string& format, std::int64_t stored,
               std::vector<trainer::EpochMetrics> epochs) {
  DemoNet net;
  net.recipe.name = name;
  trainer::LayerInfo layer;
  layer.units = 64;
  layer.inputs = 32;
  layer.nnz = layer.stored = stored;
  layer.format = format;
  net.summary.layers = {layer};
  net.summary.epochs = std::move(epochs);
  KernelRate forward, gradient;
  forward.percent_of_peak = 91.4;
  gradient.percent_of_peak = 7.6;
  net.kernels = {{forward, gradient}};
  return net;
}

DemoReport make_report() {
  DemoReport report;
  report.environment = {{"cpu", "Some CPU @ 3.0GHz"}, {"fingerprint", "0123456789abcdef"}};
  report.profile.fma_f32_gflops = 64;
  report.threads = 2;
  report.train_images = 600;
  report.nets = {
      net_of("full", "dense", 2048, {epoch_of(9, 0.5), epoch_of(4, 0.75), epoch_of(6, 0.8123)}),
      net_of("half", "bsr8x8", 1024, {epoch_of(2, 0.7), epoch_of(4, 0.8)})};
  return report;
}

TEST(DemoReport, EpochSecondsAreTheMedian) {
  const DemoReport report = make_report();
  EXPECT_DOUBLE_EQ(epoch_seconds(report.nets[0].summary), 6);
  EXPECT_DOUBLE_EQ(epoch_seconds(report.nets[1].summary), 3);
}

// 9 s beside 2 s, 4 s beside 4 s.
TEST(DemoReport, SpeedUpIsTheMedianRatioOfEpochsBesideEachOther) {
  const DemoReport report = make_report();
  EXPECT_DOUBLE_EQ(epoch_speedup(report.nets[0].summary, report.nets[1].summary), 2.75);
  EXPECT_DOUBLE_EQ(epoch_speedup(report.nets[0].summary, report.nets[0].summary), 1);
}

TEST(DemoReport, ADisturbedRunSaysSo) {
  DemoReport report = make_report();
  EXPECT_NE(to_text(report).find("Disturbed: the epochs of one net differ by a factor of 2.2"),
            std::string::npos);  // 9 s and 4 s
  EXPECT_TRUE(to_json(report)["disturbed"]);
  for (DemoNet& net : report.nets)
    for (trainer::EpochMetrics& metrics : net.summary.epochs)
      metrics.seconds = 3;
  EXPECT_EQ(to_text(report).find("Disturbed"), std::string::npos);
  EXPECT_FALSE(to_json(report)["disturbed"]);
}

TEST(DemoReport, TheTableComparesWithTheFirstNet) {
  const std::string text = to_text(make_report());
  const auto first = text.find("full"), second = text.find("half");
  ASSERT_NE(first, std::string::npos);
  ASSERT_NE(second, std::string::npos);
  const std::string full = text.substr(first, text.find('\n', first) - first);
  const std::string half = text.substr(second, text.find('\n', second) - second);
  for (const char* cell : {"81.23 %", "6.00 s", "1.00 x", "8 KiB", "dense 91/8"})
    EXPECT_NE(full.find(cell), std::string::npos) << cell << " in " << full;
  for (const char* cell : {"80.00 %", "3.00 s", "2.75 x", "4 KiB", "bsr8x8 91/8"})
    EXPECT_NE(half.find(cell), std::string::npos) << cell << " in " << half;
  EXPECT_NE(text.find("after 3 epochs"), std::string::npos) << text;
  EXPECT_NE(text.find("on 600 images, without evaluation, 2 threads"), std::string::npos) << text;
  EXPECT_NE(text.find("(64 GFLOP/s a core)"), std::string::npos) << text;
}

TEST(DemoReport, TheJsonHoldsWhatTheTableShows) {
  const auto json = to_json(make_report());
  EXPECT_EQ(json["train_images"], 600);
  ASSERT_EQ(json["nets"].size(), 2U);
  const auto& half = json["nets"][1];
  EXPECT_EQ(half["recipe"]["name"], "half");
  EXPECT_DOUBLE_EQ(half["speedup"].get<double>(), 2.75);
  EXPECT_DOUBLE_EQ(half["test_accuracy"].get<double>(), 0.8);
  EXPECT_EQ(half["weight_bytes"], 4096);
  EXPECT_EQ(half["layers"][0]["format"], "bsr8x8");
  EXPECT_DOUBLE_EQ(half["layers"][0]["kernels"][1]["percent_of_peak"].get<double>(), 7.6);
}

TEST(DemoReport, IsStoredUnderTheMachinesName) {
  const testing::TempFolder folder;
  const auto stem = store_report(folder.path(), make_report());
  ASSERT_TRUE(stem) << stem.error().message;
  EXPECT_EQ(*stem, folder / "demo-some-cpu-3-0ghz-01234567");
  const auto json = read_text_file(stem->string() + ".json");
  ASSERT_TRUE(json) << json.error().message;
  EXPECT_EQ(nlohmann::json::parse(*json), to_json(make_report()));
  const auto markdown = read_text_file(stem->string() + ".md");
  ASSERT_TRUE(markdown) << markdown.error().message;
  EXPECT_NE(markdown->find(to_text(make_report())), std::string::npos);
}

TEST(DemoReport, AFolderThatCannotBeMadeIsAnIoError) {
  const testing::TempFolder folder;
  ASSERT_TRUE(write_file_atomic(folder / "file", "in the way"));
  const auto stem = store_report(folder / "file", make_report());
  ASSERT_FALSE(stem);
  EXPECT_EQ(stem.error().code, ErrorCode::kIo);
}

}  // namespace
}  // namespace lacuna::cli
