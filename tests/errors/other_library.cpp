// SPDX-License-Identifier: Apache-2.0
//
// A library that is no plugin, for plugin_faults_test.
extern "C" __attribute__((visibility("default"))) int other_function() {
  return 0;
}
