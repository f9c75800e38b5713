#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Each rule of check_includes.py must bite: small bad trees, and the exact line that each must give."""
import pathlib
import tempfile
import unittest

import check_includes

SPDX = "// SPDX-License-Identifier: Apache-2.0\n"


class CheckIncludes(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)

    def write(self, name, text):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        if len(path.relative_to(self.root).parts) > 1:
            (path.parent / "README.md").write_text("# folder\n")

    def include(self, name, header):
        self.write(name, f"{SPDX}#include {header}\n")

    def expect(self, *lines):
        self.assertEqual(check_includes.check(self.root), list(lines))

    def test_accepts_a_tree_that_keeps_the_rules(self):
        self.write("README.md", "# project\n")
        self.write("CMakeLists.txt", "# SPDX-License-Identifier: Apache-2.0\nadd_subdirectory(targets)\n")
        self.write("LICENSE", "a licence may hold a line like #include <cuda.h>\n")
        self.include("targets/base/dynlib.cpp", "<dlfcn.h>")
        self.include("templates/llvm/builder.cpp", "<llvm/IR/IRBuilder.h>")
        self.include("codegen/llvm/emit.cpp", '"templates/llvm/builder.h"')
        self.include("runtime/engine.cpp", '"codegen/kernel.h"')
        self.include("runtime/c_api.cpp", '"lacuna/lacuna.h"')
        self.include("runtime/trainer/model.cpp", '"lacuna/lacuna.hpp"')
        self.include("runtime/trainer/model.h", '"targets/base/result.h"')
        self.include("tuner/cli/main.cpp", "<CLI/CLI.hpp>")
        self.include("tests/unit/a_test.cpp", '"tuner/planner.h"')
        self.write("results/2026-01/table.csv", "a,b\n")
        self.write("results/README.md", "# results\n")
        self.write("build/dev/anything.cpp", "no rule here\n")
        self.write(".ci/run", "#!/bin/sh\n# SPDX-License-Identifier: Apache-2.0\n")
        self.expect()

    def test_top_level_layout(self):
        self.write("src/README.md", "# src\n")
        self.write("notes.txt", "")
        self.expect("notes.txt: file is not part of the top-level layout",
                    "src: folder is not part of the top-level layout")

    def test_readme_in_every_folder(self):
        self.write("targets/base/hash.h", SPDX)
        (self.root / "targets/base/README.md").unlink()
        self.expect("targets/base: has no README.md")

    def test_readme_in_results_but_not_in_its_folders(self):
        self.write("results/demo/table.csv", "a,b\n")
        self.expect("results: has no README.md")

    def test_spdx_line(self):
        self.write("targets/host.h", "#pragma once\n")
        self.write("targets/CMakeLists.txt", "add_library(x a.cpp)\n")
        self.write(".ci/run", "#!/bin/sh\n")
        self.expect(".ci/run: no 'SPDX-License-Identifier: Apache-2.0' in the first three lines",
                    "targets/CMakeLists.txt: no 'SPDX-License-Identifier: Apache-2.0' in the first three lines",
                    "targets/host.h: no 'SPDX-License-Identifier: Apache-2.0' in the first three lines")

    def test_file_length(self):
        self.write("targets/host.cpp", SPDX + "\n" * 400)
        self.write("targets/limit.cpp", SPDX + "\n" * 399)
        self.write("targets/table.inc", SPDX + "\n" * 1000)
        self.expect("targets/host.cpp: 401 lines, limit 400")

    def test_include_direction(self):
        self.include("targets/host.h", '"templates/problem.h"')
        self.include("codegen/kernel.cpp", '"runtime/mask.h"')
        self.include("templates/problem.h", '"lacuna/lacuna.h"')
        self.include("runtime/mask.cpp", '"tests/reference/product.h"')
        self.include("codegen/cache.cpp", "<tuner/tuner.h>")
        self.expect("codegen/cache.cpp: includes upward: tuner/tuner.h",
                    "codegen/kernel.cpp: includes upward: runtime/mask.h",
                    "runtime/mask.cpp: includes upward: tests/reference/product.h",
                    "targets/host.h: includes upward: templates/problem.h",
                    "templates/problem.h: includes upward: lacuna/lacuna.h")

    def test_own_headers_by_path_from_the_root(self):
        self.include("runtime/mask.cpp", '"mask.h"')
        self.include("runtime/engine.cpp", '"../codegen/kernel.h"')
        self.expect('runtime/engine.cpp: "../codegen/kernel.h" is not a path from the root of the project',
                    'runtime/mask.cpp: "mask.h" is not a path from the root of the project')

    def test_third_party_cells(self):
        self.include("runtime/engine.cpp", "<llvm/IR/Module.h>")
        self.include("targets/host.cpp", "<dlfcn.h>")
        self.include("tuner/racer.cpp", "  <CLI/CLI.hpp>")
        self.include("tuner/store.cpp", '"yaml-cpp/yaml.h"')
        self.include("runtime/mask.cpp", "<gtest/gtest.h>")
        self.expect(
            "runtime/engine.cpp: llvm/IR/Module.h is allowed only in templates/llvm/, codegen/llvm/",
            "runtime/mask.cpp: gtest/gtest.h is allowed only in tests/",
            "targets/host.cpp: dlfcn.h is allowed only in targets/base/dynlib.cpp",
            "tuner/racer.cpp: CLI/CLI.hpp is allowed only in tuner/cli/",
            "tuner/store.cpp: yaml-cpp/yaml.h is allowed only in "
            + ", ".join(check_includes.CELLS[r"yaml-cpp/"]),
            'tuner/store.cpp: "yaml-cpp/yaml.h" is not a path from the root of the project')

    def test_no_cuda_header_even_in_tests(self):
        self.include("runtime/driver.cpp", "<cuda.h>")
        self.include("tests/cuda/a_test.cpp", '"cuda_runtime.h"')
        self.include("templates/gemm.cpp", "<nvrtc.h>")
        self.expect("runtime/driver.cpp: cuda.h is a CUDA header",
                    "templates/gemm.cpp: nvrtc.h is a CUDA header",
                    "tests/cuda/a_test.cpp: cuda_runtime.h is a CUDA header")

    def test_trainer_uses_the_public_interface(self):
        self.include("runtime/trainer/layer.cpp", '"runtime/engine.h"')
        self.include("runtime/trainer/model.cpp", '"targets/host.h"')
        self.expect("runtime/trainer/layer.cpp: runtime/engine.h is not public: "
                    "the trainer may use only lacuna/, targets/base/, runtime/trainer/",
                    "runtime/trainer/model.cpp: targets/host.h is not public: "
                    "the trainer may use only lacuna/, targets/base/, runtime/trainer/")

    def test_headers_of_the_code_generator(self):
        self.include("runtime/engine.cpp", '"codegen/llvm/emit.h"')
        self.expect("runtime/engine.cpp: codegen/llvm/emit.h is for the code generator only")

    def test_names(self):
        self.write("targets/string_util.h", SPDX)
        self.write("runtime/common/cache_manager.h", SPDX)
        self.write("runtime/commonly.h", SPDX)
        self.expect("runtime/common/cache_manager.h: the name says 'common', which tells nothing",
                    "runtime/common/cache_manager.h: the name says 'manager', which tells nothing",
                    "targets/string_util.h: the name says 'util', which tells nothing")

    def test_cmake(self):
        self.write("targets/CMakeLists.txt", "# SPDX-License-Identifier: Apache-2.0\nfile(GLOB SOURCES *.cpp)\n"
                                             "target_link_libraries(a PRIVATE b)\nlink_libraries(b)\n")
        self.expect("targets/CMakeLists.txt: 'file(GLOB' is not allowed: name targets and files",
                    "targets/CMakeLists.txt: 'link_libraries' is not allowed: name targets and files")

    def test_binary_test_data_is_no_source(self):
        self.write("tests/data/README.md", "# data\n")
        (self.root / "tests/data/a.npz").write_bytes(b"PK\xff\xfe\x00")
        self.expect()

    def test_usage(self):
        self.assertEqual(check_includes.main([]), 2)
        self.assertEqual(check_includes.main([str(self.root / "absent")]), 2)


if __name__ == "__main__":
    unittest.main()
