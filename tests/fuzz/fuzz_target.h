// SPDX-License-Identifier: Apache-2.0
//
// What a fuzz harness defines. Built with libFuzzer where LACUNA_FUZZ is on, else with standalone_main.cpp, which
// feeds the seeds and mutations of them: the same harness is then a test.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

// Feeds the bytes to one reader; aborts if an accepted value breaks a promise. Returns 0.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

// Well-formed inputs to start from, small ones.
std::vector<std::string> fuzz_seeds();
