// SPDX-License-Identifier: Apache-2.0
#include "templates/schedule.h"

#include <string>

#include <gtest/gtest.h>

#include "targets/base/result.h"

namespace lacuna {
namespace {

TEST(Schedule, EveryCombinationParsesBack) {
  for (const auto& [strategy, strategy_name] : EnumNames<Strategy>::kNames)
    for (const auto& [order, order_name] : EnumNames<LoopOrder>::kNames)
      for (const bool pack : {false, true})
        for (const int mr : {1, 4, 12, 28, 4096})
          for (const int nv : {1, 3, 8})
            for (const int ku : {1, 4, 64})
              for (const int kc : {0, 64, 1024}) {
                const Schedule schedule{strategy, mr, nv, ku, order, pack, kc};
                const auto parsed = parse_schedule(to_text(schedule));
                ASSERT_TRUE(parsed) << parsed.error().message;
                ASSERT_EQ(*parsed, schedule);
              }
}

TEST(Schedule, PrintsTheCanonicalName) {
  EXPECT_EQ(to_text(Schedule{.strategy = Strategy::kRowTile, .mr = 8, .nv = 3, .ku = 4}),
            "row_mr8nv3ku4_po");
  EXPECT_EQ(to_text(Schedule{.strategy = Strategy::kColumnTile,
                             .mr = 12,
                             .nv = 2,
                             .ku = 4,
                             .order = LoopOrder::kTileOuter,
                             .pack = true}),
            "col_mr12nv2ku4_to_pack");
  EXPECT_EQ(to_text(Schedule{Strategy::kRowTile, 6, 4, 1, LoopOrder::kPanelOuter, true, 1024}),
            "row_mr6nv4ku1_po_pack_kc1024");
}

TEST(Schedule, RefusesWhatItDoesNotPrint) {
  for (const std::string text : {"",
                                 "row",
                                 "row_mr8",
                                 "row_mr8nv3",
                                 "row_mr8nv3ku4",
                                 "row_mr8nv3ku4_",
                                 "row_mr8nv3ku4_xo",
                                 "row_mr08nv3ku4_po",
                                 "row_mr0nv3ku4_po",
                                 "row_mr4097nv3ku4_po",
                                 "row_mr8nv3ku4_po_",
                                 "row_mr8nv3ku4_po_packed",
                                 "row_mr8nv3ku4_po_pack_pack",
                                 "row_mr8nv3ku4_po_pack_kc",
                                 "row_mr8nv3ku4_po_pack_kc0",
                                 "row_mr8nv3ku4_po_pack_kc064",
                                 "row_mr8nv3ku4_po_pack_kc1048577",
                                 "row_mr8nv3ku4_po_kc64_pack",
                                 "mr8nv3ku4_po",
                                 "tile_mr8nv3ku4_po",
                                 "rowmr8nv3ku4_po",
                                 "row_nv3mr8ku4_po",
                                 " row_mr8nv3ku4_po",
                                 "row_mr-8nv3ku4_po",
                                 "row_mr99999999999999999999nv3ku4_po"}) {
    const auto parsed = parse_schedule(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_EQ(parsed.error().code, ErrorCode::kInvalidArgument);
    EXPECT_EQ(parsed.error().message,
              "schedule '" + text +
                  "' is not "
                  "<row|scatter|col|amx|dot|perm|inner|stream>_mr<1-4096>nv<1-4096>ku<1-"
                  "4096>_<po|to>[_pack][_kc<1-1048576>], "
                  "for example row_mr4nv1ku1_po");
  }
}

}  // namespace
}  // namespace lacuna
