// SPDX-License-Identifier: Apache-2.0
//
// A code-generator plugin of an older version, for plugin_faults_test.
extern "C" __attribute__((visibility("default"))) const char* lacuna_codegen_plugin_version() {
  return "0.0.9";
}
