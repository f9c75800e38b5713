// SPDX-License-Identifier: Apache-2.0
//
// What the machine allows the kernels of the goal table, whatever their code: the rate of register tiles of broadcast
// scalars and vectors whose operands are in L1; of tiles of one vector that are fed from L2, as blocks of 16 rows need
// it; and of copies inside L2, which is what packing an operand costs at least. AVX-512 only: the tiles are those of
// the goal table on such machines.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <fmt/format.h>
#include <immintrin.h>
#include <string>
#include <vector>

#include "targets/base/result.h"
#include "targets/host.h"
#include "tests/bench/bench_output.h"
#include "tuner/clock.h"
#include "tuner/measurer.h"
#include "tuner/probe/huge_buffer.h"
#include "tuner/probe/loops.h"

namespace lacuna {
namespace {

constexpr int kLanes = 16;
constexpr std::int64_t kDepth =
    64;  // steps of a tile before its operands repeat: 2 to 18 KiB, in L1
constexpr std::int64_t kStreamedBlocks = 4096;  // of 16 values: 256 KiB, as at low density
constexpr std::int64_t kPasses = 400;           // over them, in a sample

// Vectors at b[step][v], scalars at a[step][i]; sums stay in registers throughout.
template <int mr, int nv>
__attribute__((target("avx512f"))) void run_tile(const float* a, const float* b, float* c) {
  __m512 sums[mr * nv];
#pragma GCC unroll 64
  for (auto& sum : sums)
    sum = _mm512_setzero_ps();
  for (std::int64_t pass = 0; pass < kPasses; ++pass)
    for (std::int64_t step = 0; step < kDepth; ++step) {
      __m512 vectors[nv];
#pragma GCC unroll 8
      for (int v = 0; v < nv; ++v)
        vectors[v] = _mm512_loadu_ps(b + (step * nv + v) * kLanes);
#pragma GCC unroll 64
      for (int i = 0; i < mr; ++i) {
        const __m512 scalar = _mm512_set1_ps(a[step * mr + i]);
#pragma GCC unroll 8
        for (int v = 0; v < nv; ++v)
          sums[i * nv + v] = _mm512_fmadd_ps(scalar, vectors[v], sums[i * nv + v]);
      }
    }
#pragma GCC unroll 64
  for (int i = 0; i < mr * nv; ++i)
    _mm512_storeu_ps(c + i * kLanes, sums[i]);
}

// Copies `from` into a window that is used again and again, as packing tiles of an operand does.
__attribute__((target("avx512f"))) void copy_into_window(const float* from, std::int64_t floats,
                                                         float* window,
                                                         std::int64_t window_floats) {
  for (std::int64_t start = 0; start < floats; start += window_floats) {
    const std::int64_t count = std::min(window_floats, floats - start);
    for (std::int64_t i = 0; i < count; i += kLanes)
      _mm512_storeu_ps(window + i, _mm512_loadu_ps(from + start + i));
  }
}

// One line from L2 for every 16 FMAs, in the order it lies there: what 16 sums of one vector need (sddmm of blocks of
// 16 rows, whose vectors are in L1 and whose scalars come from rows of C).
__attribute__((target("avx512f"))) void run_streamed_tile(const float* vectors, const float* lines,
                                                          std::int64_t count, float* c) {
  __m512 sums[kLanes];
#pragma GCC unroll 16
  for (auto& sum : sums)
    sum = _mm512_setzero_ps();
  for (std::int64_t line = 0; line < count; ++line) {
    const __m512 vector = _mm512_loadu_ps(vectors + line % kDepth * kLanes);
#pragma GCC unroll 16
    for (int i = 0; i < kLanes; ++i)
      sums[i] = _mm512_fmadd_ps(_mm512_set1_ps(lines[line * kLanes + i]), vector, sums[i]);
  }
#pragma GCC unroll 16
  for (int i = 0; i < kLanes; ++i)
    _mm512_storeu_ps(c + i * kLanes, sums[i]);
}

// A line of C in L2 read, increased by 16 FMAs and written: a column of a 16-row block in spmm_transposed, whose 16
// rows of B are in registers. Eight lines at a time, so that eight chains of FMAs are in flight; line after line, the
// best order.
__attribute__((target("avx512f"))) void update_lines(const float* b, const float* values,
                                                     float* lines, std::int64_t count) {
  constexpr int kChains = 8;
  __m512 rows[kLanes];
#pragma GCC unroll 16
  for (int i = 0; i < kLanes; ++i)
    rows[i] = _mm512_loadu_ps(b + static_cast<std::ptrdiff_t>(i) * kLanes);
  for (std::int64_t first = 0; first < count; first += kChains) {
    const float* const block = values + first % kStreamedBlocks * kLanes;
    float* const updated = lines + first * kLanes;
    __m512 sums[kChains];
#pragma GCC unroll 8
    for (int x = 0; x < kChains; ++x)
      sums[x] = _mm512_loadu_ps(updated + static_cast<std::ptrdiff_t>(x) * kLanes);
#pragma GCC unroll 16
    for (int i = 0; i < kLanes; ++i)
#pragma GCC unroll 8
      for (int x = 0; x < kChains; ++x)
        sums[x] = _mm512_fmadd_ps(_mm512_set1_ps(block[x * kLanes + i]), rows[i], sums[x]);
#pragma GCC unroll 8
    for (int x = 0; x < kChains; ++x)
      _mm512_storeu_ps(updated + static_cast<std::ptrdiff_t>(x) * kLanes, sums[x]);
  }
}

struct Tile {
  int mr, nv;
  void (*run)(const float*, const float*, float*);
};
constexpr Tile kTiles[] = {{16, 1, run_tile<16, 1>},
                           {24, 1, run_tile<24, 1>},
                           {12, 2, run_tile<12, 2>},
                           {8, 3, run_tile<8, 3>},
                           {6, 4, run_tile<6, 4>}};

Result<> bench_tiles(BenchProgram& program) {
  const RegisterLoop peak = make_fma_f32_loop(program.host.target);
  constexpr std::int64_t kPeakSteps = 40000;
  LACUNA_TRY(const HugeBuffer buffer, HugeBuffer::allocate(1 << 20));
  auto* const floats = reinterpret_cast<float*>(buffer.data());
  std::vector<TimedCall> calls{[&] { peak.run(kPeakSteps); }};
  for (const Tile& tile : kTiles)
    calls.push_back([&floats, &tile] { tile.run(floats, floats + 8192, floats + 65536); });
  MeasureOptions measure;
  measure.rounds = 61;
  SteadyClock clock;
  const Samples samples = measure_interleaved(clock, calls, measure);
  const double peak_flop = peak.work_per_step * static_cast<double>(kPeakSteps);
  for (std::size_t t = 0; t < std::size(kTiles); ++t) {
    const Tile& tile = kTiles[t];
    const double flop = 2.0 * kLanes * tile.mr * tile.nv * kDepth * kPasses;
    const double percent = 100 * flop / peak_flop * samples.paired_ratio(0, t + 1);
    const std::string name = fmt::format("tile_{}x{}_in_l1", tile.mr, tile.nv);
    std::printf("%-24s %6.1f %% of the FMA peak\n", name.c_str(), percent);
    program.results.push_back({{"name", name}, {"percent_of_peak_paired", percent}});
  }
  return {};
}

// Tiles of one vector and 16 scalars on operands in L2: 1 MiB, as B and C of the goal table.
Result<> bench_tiles_from_l2(BenchProgram& program) {
  constexpr std::int64_t kLines = 1024 * 256 / kLanes;
  const RegisterLoop peak = make_fma_f32_loop(program.host.target);
  constexpr std::int64_t kPeakSteps = 10000;
  LACUNA_TRY(const HugeBuffer buffer, HugeBuffer::allocate(4 << 20));
  auto* const floats = reinterpret_cast<float*>(buffer.data());
  float* const vectors = floats + kLines * kLanes;
  float* const values = vectors + kDepth * kLanes;
  MeasureOptions measure;
  measure.rounds = 61;
  SteadyClock clock;
  const Samples samples = measure_interleaved(
      clock,
      {[&] { peak.run(kPeakSteps); }, [&] { run_streamed_tile(vectors, floats, kLines, values); },
       [&] { update_lines(vectors, values, floats, kLines); }},
      measure);
  const double peak_flop = peak.work_per_step * static_cast<double>(kPeakSteps);
  const double flop = 2.0 * kLanes * kLanes * kLines;
  std::size_t call = 0;
  for (const char* const name : {"tile_16x1_streamed_from_l2", "row_update_16x1_in_l2"}) {
    const double percent = 100 * flop / peak_flop * samples.paired_ratio(0, ++call);
    std::printf("%-24s %6.1f %% of the FMA peak\n", name, percent);
    program.results.push_back({{"name", name}, {"percent_of_peak_paired", percent}});
  }
  return {};
}

// An operand of 1024 x 256 floats through a window of 1024 x 48: packing B in the goal table.
Result<> bench_packing(BenchProgram& program) {
  constexpr std::int64_t kFloats = 1024 * 256;
  constexpr std::int64_t kWindow = 1024 * 48;
  constexpr double kDenseFlop = 2.0 * 1024 * 1024 * 256;
  const RegisterLoop peak = make_fma_f32_loop(program.host.target);
  constexpr std::int64_t kPeakSteps = 10000;
  LACUNA_TRY(const HugeBuffer buffer, HugeBuffer::allocate((kFloats + kWindow) * 4));
  auto* const floats = reinterpret_cast<float*>(buffer.data());
  MeasureOptions measure;
  measure.rounds = 61;
  SteadyClock clock;
  const Samples samples =
      measure_interleaved(clock,
                          {[&] { peak.run(kPeakSteps); },
                           [&] { copy_into_window(floats, kFloats, floats + kFloats, kWindow); }},
                          measure);
  const double peak_flops =
      peak.work_per_step * static_cast<double>(kPeakSteps) / samples.minimum(0);
  const double seconds = samples.minimum(1);
  for (const double density : {0.05, 0.1, 0.3}) {
    const double share = 100 * seconds * peak_flops / (kDenseFlop * density);
    const std::string name = fmt::format("copy_1024x256_d{:g}", density);
    std::printf("%-24s %6.1f us, %.1f %% of the FMA time of a 1024 x 1024 A\n", name.c_str(),
                seconds * 1e6, share);
    program.results.push_back(
        {{"name", name}, {"seconds", seconds}, {"percent_of_fma_time", share}});
  }
  return {};
}

int run(int argc, char** argv) {
  CLI::App app("bounds of the goal table: register tiles in L1, copies in L2");
  BenchProgram program;
  program.add_options(app);
  CLI11_PARSE(app, argc, argv);
  if (auto started = program.start(argc, argv); !started) return fail(started.error());
  program.conditions =
      "one pinned core; huge pages; 61 interleaved rounds with the peak loop; nothing discarded";
  if (!program.host.target.has_feature("avx512f")) {
    std::printf("these bounds are for AVX-512, which this machine lacks\n");
    return 0;
  }
  if (auto done = bench_tiles(program); !done) return fail(done.error());
  if (auto done = bench_tiles_from_l2(program); !done) return fail(done.error());
  if (auto done = bench_packing(program); !done) return fail(done.error());
  if (auto written = program.write(); !written) return fail(written.error());
  return 0;
}

}  // namespace
}  // namespace lacuna

int main(int argc, char** argv) {
  return lacuna::run(argc, argv);
}
