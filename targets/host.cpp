// SPDX-License-Identifier: Apache-2.0
#include "targets/host.h"

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <fmt/format.h>
#include <hwloc.h>
#include <sched.h>
#include <string>
#include <string_view>
#include <sys/syscall.h>
#include <unistd.h>
#include <vector>

#include "targets/base/env.h"
#include "targets/base/fields.h"
#include "targets/base/hash.h"
#include "targets/base/result.h"
#include "targets/cpu_facts.h"
#include "targets/target.h"

namespace lacuna {
namespace {

// Per-core (l3: shared) sizes from the operating system; 0 where it does not say.
Caches read_hwloc_caches() {
  Caches caches{.l1d_bytes = 0, .l2_bytes = 0, .l3_bytes = 0, .line_bytes = 0};
  hwloc_topology_t topology = nullptr;
  if (hwloc_topology_init(&topology) != 0) return caches;
  // Only caches: a whole topology with its devices takes several times as long to read.
  hwloc_topology_set_all_types_filter(topology, HWLOC_TYPE_FILTER_KEEP_NONE);
  hwloc_topology_set_cache_types_filter(topology, HWLOC_TYPE_FILTER_KEEP_ALL);
  if (hwloc_topology_load(topology) == 0) {
    const auto cache = [&](hwloc_obj_type_t type) {
      const hwloc_obj_t object = hwloc_get_obj_by_type(topology, type, 0);
      return object == nullptr ? hwloc_obj_attr_u::hwloc_cache_attr_s{} : object->attr->cache;
    };
    caches.l1d_bytes = static_cast<std::int64_t>(cache(HWLOC_OBJ_L1CACHE).size);
    caches.line_bytes = static_cast<std::int32_t>(cache(HWLOC_OBJ_L1CACHE).linesize);
    caches.l2_bytes = static_cast<std::int64_t>(cache(HWLOC_OBJ_L2CACHE).size);
    caches.l3_bytes = static_cast<std::int64_t>(cache(HWLOC_OBJ_L3CACHE).size);
  }
  hwloc_topology_destroy(topology);
  return caches;
}

// Whether this process may use tiles of the matrix unit: it has to ask for that part of a thread's state once, for all
// its threads (Linux, Documentation/arch/x86/xstate.rst).
bool request_matrix_unit() {
#if defined(__x86_64__)
  constexpr long kRequestPermission = 0x1023, kTileData = 18;
  return ::syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
#else
  return false;
#endif
}

CpuFacts usable_facts() {
  CpuFacts facts = read_cpu_facts(native_cpuid());
  if (facts.has_feature("amx-tile") && !request_matrix_unit())
    std::erase_if(facts.features, [](const std::string& f) { return f.starts_with("amx"); });
  return facts;
}

// These cannot change while the process runs; reading them takes milliseconds.
const CpuFacts& native_facts() {
  static const CpuFacts kFacts = usable_facts();
  return kFacts;
}
const Caches& hwloc_caches() {
  static const Caches kCaches = read_hwloc_caches();
  return kCaches;
}

std::int32_t count_cores() {
  for (std::size_t cpus = 1024; cpus <= 1U << 20; cpus *= 2) {
    std::vector<cpu_set_t> set((cpus + CPU_SETSIZE - 1) / CPU_SETSIZE);
    const std::size_t bytes = set.size() * sizeof(cpu_set_t);
    if (::sched_getaffinity(0, bytes, set.data()) == 0)
      return std::max(1, static_cast<std::int32_t>(CPU_COUNT_S(bytes, set.data())));
    if (errno != EINVAL) break;  // EINVAL: the machine has more processors than the set has bits
  }
  return 1;
}

struct VectorLimit {
  bool narrow = false;
};
Result<VectorLimit> read_vector_limit() {
  const auto text = read_env("LACUNA_MAX_VECTOR_BITS");
  if (!text || *text == "512") return VectorLimit{};
  if (*text == "256") return VectorLimit{.narrow = true};
  return make_error(ErrorCode::kInvalidArgument,
                    "LACUNA_MAX_VECTOR_BITS is '{}', allowed are 256 and 512", *text);
}

}  // namespace

Result<HostDescription> describe_host() {
#if !defined(__x86_64__)
  return make_error(ErrorCode::kUnsupported, "this processor is not x86-64");
#endif
  LACUNA_TRY(const VectorLimit limit, read_vector_limit());
  const CpuFacts& facts = native_facts();
  const Caches caches = merge_caches(hwloc_caches(), facts.caches);
  const bool hidden = limit.narrow && facts.has_feature("avx512f");
  LACUNA_TRY(HostDescription host, describe_cpu(hidden ? without_avx512(facts) : facts, caches));
  if (hidden) host.note = "AVX-512 switched off by LACUNA_MAX_VECTOR_BITS=256: using AVX2";
  host.cores = count_cores();
  return host;
}

std::string host_fingerprint(const HostDescription& host) {
  Hasher hasher;
  hasher.append(host.vendor);
  hash_append(hasher, host.family);
  hash_append(hasher, host.model);
  hash_append(hasher, host.stepping);
  hash_append(hasher, host.target.features);
  hash_append(hasher, host.target.caches);
  return to_text(hasher.digest());
}

Result<> check_runs_on_host(const Target& target) {
  if (target.isa != Isa::kX86_64)
    return make_error(ErrorCode::kUnsupported, "target {} is for {}, this machine is x86_64",
                      target.name, to_text(target.isa));
  LACUNA_TRY(const HostDescription host, describe_host());
  return check_runs_on(target, host);
}

}  // namespace lacuna
