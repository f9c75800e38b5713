// SPDX-License-Identifier: Apache-2.0
//
// Runs a fuzz harness without libFuzzer: each file named on the command line; or, with none, the harness's seeds and
// 20 000 mutations of them, the same ones in every run.
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <ios>
#include <iterator>
#include <random>
#include <string>
#include <vector>

#include "tests/fuzz/fuzz_target.h"

namespace {

constexpr int kRuns = 20000;
constexpr std::uint32_t kSeed = 20260101;

void run(const std::string& input) {
  // A copy of exact size on the heap, so that the address sanitizer sees every read beyond it.
  const std::vector<std::uint8_t> bytes(input.begin(), input.end());
  LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
}

// Numbers that are often at a boundary of some field.
constexpr std::array<std::uint64_t, 10> kEdges = {
    0, 1, 0x7F, 0xFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 1ULL << 63, ~0ULL};

std::string mutate(std::string input, std::mt19937& random) {
  const auto below = [&](std::size_t limit) { return limit == 0 ? 0 : random() % limit; };
  for (std::size_t count = 1 + below(4); count > 0; --count) {
    const std::size_t at = below(input.size());
    switch (below(6)) {
      case 0:
        if (!input.empty()) input[at] = static_cast<char>(input[at] ^ (1 << below(8)));
        break;
      case 1:
        if (!input.empty()) input[at] = static_cast<char>(random());
        break;
      case 2: {
        const std::uint64_t edge = kEdges[below(kEdges.size())];
        const std::size_t width = std::size_t{1} << below(4);
        if (input.size() >= width)
          std::memcpy(&input[at / width * width % (input.size() - width + 1)], &edge, width);
        break;
      }
      case 3:
        input.resize(at);
        break;
      case 4:
        input.insert(at, input.substr(below(input.size()), below(32)));
        break;
      default:
        input.erase(at, below(16));
        break;
    }
  }
  return input;
}

}  // namespace

int main(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    std::ifstream file(argv[i], std::ios::binary);
    run({std::istreambuf_iterator<char>(file), {}});
  }
  if (argc > 1) return 0;
  const std::vector<std::string> seeds = fuzz_seeds();
  run({});
  for (const std::string& seed : seeds)
    run(seed);
  std::mt19937 random(kSeed);
  for (int i = 0; i < kRuns; ++i)
    run(mutate(seeds[static_cast<std::size_t>(i) % seeds.size()], random));
  std::printf("%d mutations of %zu seeds\n", kRuns, seeds.size());
  return 0;
}
