// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "targets/target_check.h"
#include "targets/target_yaml.h"
#include "tests/fuzz/fuzz_target.h"

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

constexpr const char* kCpu =
    "# comment\nschema: 1\nname: my-cpu\nisa: x86_64\nllvm_cpu: x86-64-v3\nfeatures: [avx, avx2, "
    "fma]\n"
    "vector_bits: 256\nvector_registers: 16\ncode_limit_bytes: 64K\n"
    "pipes:\n  fma_per_cycle: 2\n  load_per_cycle: 0.5\n  fma_latency: 4\n"
    "caches: {l1d_bytes: 32K, l2_bytes: 1M, l3_bytes: 1G, line_bytes: 64}\n";

constexpr const char* kGpu =
    "schema: 1\nname: gpu\nisa: cuda\nvector_bits: 128\nvector_registers: 255\n"
    "gpu:\n  compute_capability: 90\n  sm_count: 132\n  shared_bytes_per_sm: 228K\n"
    "  registers_per_sm: 65536\n  max_threads_per_sm: 2048\n";

// What YAML allows beyond plain files: anchors, merges, tags, block scalars, quotes, several documents.
constexpr const char* kFancy =
    "%YAML 1.2\n---\n&a schema: !!int 1\n\"name\": 'x'\n? isa\n: &b x86_64\n<<: *b\n"
    "vector_bits: |\n  256\nfeatures: >-\n  avx\npipes: !t {<<: {fma_latency: 4}}\n...\n---\n[*a, "
    "{}]\n";

}  // namespace

// The bytes are a target file: a value that keeps every rule, or an error that names file and line.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto target = lacuna::parse_target(text, "f.yaml");
  if (target) {
    require(!lacuna::check_target(*target));
    require(std::ranges::is_sorted(target->features));
  } else {
    const std::string& message = target.error().message;
    require(message.starts_with("f.yaml:") && message.size() > 9);
    require(message[7] >= '1' && message[7] <= '9');
  }
  return 0;
}

std::vector<std::string> fuzz_seeds() {
  return {kCpu, kGpu, kFancy, std::string(600, '['), std::string(600, '{')};
}
