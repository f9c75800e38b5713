// SPDX-License-Identifier: Apache-2.0
//
// Schedule: how the loops of one kernel run. Which schedules are legal: registry.h.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "targets/base/fields.h"

namespace lacuna {

// Which template makes the kernel. Each holds an accumulator tile of mr scalars x nv vectors in registers and
// updates it by outer products of mr broadcast scalars and nv vectors; kPermute by mr vectors permuted for each of nv, kStream by mr
// vectors of B's elements for each of nv of values.
enum class Strategy : std::uint8_t {
  kRowTile,  // vectors along n; A's values are broadcast (spmm, spmm_transposed)
  kScatter,  // spmm_transposed for narrow blocks and jammed rows: rows of B stay in registers, C is updated in cache
  kColumnTile,  // vectors along A's rows (columns when transposed); B's elements are broadcast; C column-major
  kMatrixTile,  // tiles of a matrix unit (AMX): mr tiles of 16 tokens x nv tiles of 16 of A's rows
  kSddmmTile,  // vectors along A's rows; C's elements are broadcast; reduction over n. Jammed rows: vectors along n
  kPermute,  // N:M, spmm of few columns: vectors along A's rows; B's elements are permuted to them. mr columns at once,
             // nv panels, ku groups
  kInnerTile,  // sddmm on blocks: vectors along n of mr rows of B and nv of C, lanes added at the end (inner_tile.h)
  kStream,  // spmm of few columns: values as vectors in the order they lie, mr columns at once, nv vectors of rows,
            // ku steps (stream.h)
};

template <>
struct EnumNames<Strategy> {
  static constexpr std::array kNames = {std::pair{Strategy::kRowTile, std::string_view("row")},
                                        std::pair{Strategy::kScatter, std::string_view("scatter")},
                                        std::pair{Strategy::kColumnTile, std::string_view("col")},
                                        std::pair{Strategy::kMatrixTile, std::string_view("amx")},
                                        std::pair{Strategy::kSddmmTile, std::string_view("dot")},
                                        std::pair{Strategy::kPermute, std::string_view("perm")},
                                        std::pair{Strategy::kInnerTile, std::string_view("inner")},
                                        std::pair{Strategy::kStream, std::string_view("stream")}};
};

enum class LoopOrder : std::uint8_t {
  kPanelOuter,  // for each panel of A, for each tile of n: A's panel stays in L1, B streams
  kTileOuter,   // for each tile of n, for each panel: B's tile stays in cache, A streams
};

template <>
struct EnumNames<LoopOrder> {
  static constexpr std::array kNames = {std::pair{LoopOrder::kPanelOuter, std::string_view("po")},
                                        std::pair{LoopOrder::kTileOuter, std::string_view("to")}};
};

struct Schedule {
  Strategy strategy = Strategy::kRowTile;
  std::int32_t mr = 4;  // scalar (token) side of the register tile; the r of jammed rows
  std::int32_t nv = 1;  // vector side, in vectors
  std::int32_t ku = 1;  // steps of the reduction unrolled
  LoopOrder order = LoopOrder::kPanelOuter;
  bool pack =
      false;  // copy (and transpose where needed) the tile of B into contiguous scratch first
  // Rows of B that are packed and multiplied at a time, the sums of C between them in scratch: what is read again for
  // every panel then stays in cache however large K is. 0: all rows.
  std::int32_t kc = 0;

  auto operator<=>(const Schedule&) const = default;
  template <class Self, class Visit>
  static constexpr void for_each_field(Self& self, Visit&& visit) {
    visit("strategy", self.strategy);
    visit("mr", self.mr);
    visit("nv", self.nv);
    visit("ku", self.ku);
    visit("order", self.order);
    visit("pack", self.pack);
    visit("kc", self.kc);
  }
};

[[nodiscard]] std::string to_text(
    const Schedule& schedule);  // "row_mr8nv3ku4_po" / "row_mr6nv4ku1_po_pack_kc1024"
[[nodiscard]] Result<Schedule> parse_schedule(std::string_view text);

}  // namespace lacuna
