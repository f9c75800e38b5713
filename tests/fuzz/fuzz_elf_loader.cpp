// SPDX-License-Identifier: Apache-2.0
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <elf.h>
#include <string>
#include <vector>

#include "codegen/kernel.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/unit/codegen/test_object.h"

// Loads, never calls: a well-formed object may hold any code.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto* const bytes = reinterpret_cast<const std::byte*>(data);
  const auto kernel = lacuna::LoadedKernel::load({"kernel", {bytes, bytes + size}});
  if (kernel && (kernel->address() == nullptr || kernel->code_bytes() == 0)) std::abort();
  return 0;
}

std::vector<std::string> fuzz_seeds() {
  using lacuna::test::ObjectBuilder;
  ObjectBuilder pointers = lacuna::test::constant_returner();
  const auto relocated = pointers.add_section(".data.rel.ro", SHT_PROGBITS, SHF_ALLOC | SHF_WRITE,
                                              std::string(16, 'p'));
  pointers.add_relocation(relocated, 8, R_X86_64_64, 2, 0);
  pointers.add_relocation(relocated, 0, R_X86_64_PC64, 1, 4);
  pointers.add_section(".eh_frame", SHT_X86_64_UNWIND, SHF_ALLOC, std::string(8, 'e'));
  std::vector<std::string> seeds;
  for (const ObjectBuilder& builder : {lacuna::test::constant_returner(), pointers}) {
    const auto object = builder.build();
    seeds.emplace_back(reinterpret_cast<const char*>(object.data()), object.size());
  }
  return seeds;
}
