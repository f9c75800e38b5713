// SPDX-License-Identifier: Apache-2.0
//
// libFuzzer starts from the harness's seeds: they are written to the first corpus folder on the command line, where
// libFuzzer reads them and keeps what it finds.
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <ios>
#include <string>
#include <vector>

#include "tests/fuzz/fuzz_target.h"

extern "C" int LLVMFuzzerInitialize(const int* argc, char*** argv) {
  for (int i = 1; i < *argc; ++i) {
    const std::filesystem::path folder = (*argv)[i];
    if (!std::filesystem::is_directory(folder)) continue;
    const std::vector<std::string> seeds = fuzz_seeds();
    for (std::size_t s = 0; s < seeds.size(); ++s)
      std::ofstream(folder / ("seed-" + std::to_string(s)), std::ios::binary) << seeds[s];
    return 0;
  }
  return 0;
}
