// SPDX-License-Identifier: Apache-2.0
//
// The kernels of a trained network, planned as the trainer plans them and timed one by one.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "runtime/engine.h"
#include "runtime/trainer/layer.h"
#include "tuner/clock.h"

namespace lacuna::cli {

// One layer's request, with the mask it points to. Equal, key for key, to what the trainer asks through the public
// interface: a record made for it is found there.
struct LayerRequest {
  std::unique_ptr<const Mask> mask;
  PlanRequest request;
};
[[nodiscard]] Result<LayerRequest> make_layer_request(const Engine& engine,
                                                      const trainer::LayerShape& shape);

// One operation of one layer, alone and repeated: operands are as hot as their size lets them be.
struct KernelRate {
  std::string operation;       // "forward", "weight gradient", "input gradient"
  std::string kernel;          // canonical name, or the library and "sgemm"
  double seconds = 0;          // interleaved minimum
  double gflops = 0;           // useful: 2 nnz n
  double percent_of_peak = 0;  // of minima; the FMA loop beside the samples, times the threads

  template <class Self, class Visit>
  static constexpr void for_each_field(Self& self, Visit&& visit) {
    visit("operation", self.operation);
    visit("kernel", self.kernel);
    visit("seconds", self.seconds);
    visit("gflops", self.gflops);
    visit("percent_of_peak", self.percent_of_peak);
  }
};

// Of Lacuna's kernels under the plan that the engine's planner gives.
[[nodiscard]] Result<std::vector<KernelRate>> measure_lacuna_layer(Engine& engine, Clock& clock,
                                                                   const trainer::LayerShape& shape,
                                                                   const std::atomic<bool>* stop);
// Of OpenBLAS, all weights present.
[[nodiscard]] Result<std::vector<KernelRate>> measure_dense_layer(Engine& engine, Clock& clock,
                                                                  const trainer::LayerShape& shape,
                                                                  const std::atomic<bool>* stop);

}  // namespace lacuna::cli
