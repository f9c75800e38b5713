#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The rivals that live in Python: SciPy and PyTorch, sparse A times dense B, one thread.

A worker: the benchmark starts it, sends one JSON request a line and reads one JSON answer a line. It times one sample
of one rival when told to, so that its samples alternate with those of the benchmark's own process. Matrices come and
results go as raw files in a folder that both sides know.

    {"do": "describe"}                           -> {"rivals": [{"name": ..., "missing": ...}, ...]}
    {"do": "prepare", "folder": ..., "m": ..., "k": ..., "n": ..., "column_major": ..., "block_r": ..., "block_c": ...}
                                                 -> {"reasons": ["", "why not", ...]}
    {"do": "compute", "rival": 1}                -> {"done": true}, the result in c.f32 in the problem's layout
    {"do": "sample", "rival": 1, "least_s": 1e-3} -> {"seconds": ...}, of one call
"""
import json
import pathlib
import sys
import time
import warnings

import numpy as np

warnings.filterwarnings("ignore")  # PyTorch calls its sparse formats a beta


class Case:
    def __init__(self, request):
        folder = pathlib.Path(request["folder"])
        self.m, self.k, self.n = request["m"], request["k"], request["n"]
        self.column_major = request["column_major"]
        self.block = (request["block_r"], request["block_c"])
        self.row_ptr = np.fromfile(folder / "row_ptr.i32", np.int32)
        self.col_idx = np.fromfile(folder / "col_idx.i32", np.int32)
        self.values = np.fromfile(folder / "values.f32", np.float32)
        b = np.fromfile(folder / "b.f32", np.float32)
        # B[K,N] whatever its layout: of column-major operands a transposed view.
        self.b = b.reshape(self.n, self.k).T if self.column_major else b.reshape(self.k, self.n)
        self.result = folder / "c.f32"

    def write(self, c):
        """c is C[M,N] of any strides; the copy into the problem's layout is not timed."""
        c = np.asarray(c).T if self.column_major else np.asarray(c)
        np.ascontiguousarray(c, np.float32).tofile(self.result)


class Unsupported(Exception):
    pass


def scipy_csr(case):
    from scipy import sparse
    a = sparse.csr_matrix((case.values, case.col_idx, case.row_ptr), (case.m, case.k))
    return lambda: a @ case.b


def scipy_bsr(case):
    from scipy import sparse
    if case.block == (1, 1):
        raise Unsupported("the mask has no blocks")
    a = sparse.csr_matrix((case.values, case.col_idx, case.row_ptr), (case.m, case.k)).tobsr(case.block)
    return lambda: a @ case.b


def torch_product(torch, case, a):
    b = torch.from_numpy(case.b)
    c = torch.empty(case.n, case.m).T if case.column_major else torch.empty(case.m, case.n)
    return lambda: torch.mm(a, b, out=c)


def torch_csr_tensor(torch, case):
    return torch.sparse_csr_tensor(torch.from_numpy(case.row_ptr), torch.from_numpy(case.col_idx),
                                   torch.from_numpy(case.values), (case.m, case.k))


def torch_csr(case):
    import torch
    return torch_product(torch, case, torch_csr_tensor(torch, case))


def torch_bsr(case):
    import torch
    if case.block == (1, 1):
        raise Unsupported("the mask has no blocks")
    if case.block[0] != case.block[1]:
        raise Unsupported(f"its blocks are squares, the mask's are {case.block[0]} x {case.block[1]}")
    return torch_product(torch, case, torch_csr_tensor(torch, case).to_sparse_bsr(case.block))


def version_of(module):
    if module == "torch":
        import torch
        torch.set_num_threads(1)
        return f"PyTorch {torch.__version__.partition('+')[0]}"
    import scipy
    return f"SciPy {scipy.__version__}"


# Library, name, and what prepares a call for a case.
RIVALS = [("scipy", "CSR", scipy_csr), ("scipy", "BSR", scipy_bsr), ("torch", "CSR", torch_csr),
          ("torch", "BSR", torch_bsr)]
PLAIN_NAMES = {"scipy": "SciPy", "torch": "PyTorch"}


def describe():
    rivals = []
    for module, kind, _ in RIVALS:
        try:
            rivals.append({"name": f"{version_of(module)} {kind}", "missing": ""})
        except ImportError as error:
            rivals.append({"name": f"{PLAIN_NAMES[module]} {kind}",
                           "missing": f"not installed ({error}); PyPI's {module}, by .ci/install_rivals.sh"})
    return {"rivals": rivals}


class Worker:
    def __init__(self):
        self.case = None
        self.calls = []
        self.batches = []

    def prepare(self, request):
        self.case = Case(request)
        self.calls, self.batches, reasons = [], [0] * len(RIVALS), []
        for _, _, make in RIVALS:
            call, reason = None, ""
            try:
                call = make(self.case)
                call()
            except ImportError:
                reason = "not installed"
            except (Unsupported, RuntimeError, ValueError) as error:
                call, reason = None, str(error).splitlines()[0]
            self.calls.append(call)
            reasons.append(reason)
        return {"reasons": reasons}

    def compute(self, request):
        self.case.write(self.calls[request["rival"]]())
        return {"done": True}

    def sample(self, request):
        """Like the benchmark's own: one untimed call, then as many as last long enough."""
        rival = request["rival"]
        call = self.calls[rival]
        begin = time.perf_counter()
        call()
        if self.batches[rival] == 0:
            self.batches[rival] = max(1, int(request["least_s"] / (time.perf_counter() - begin) + 1))
        batch = self.batches[rival]
        begin = time.perf_counter()
        for _ in range(batch):
            call()
        return {"seconds": (time.perf_counter() - begin) / batch}

    def serve(self):
        actions = {"describe": lambda request: describe(), "prepare": self.prepare, "compute": self.compute,
                   "sample": self.sample}
        for line in sys.stdin:
            request = json.loads(line)
            print(json.dumps(actions[request["do"]](request)), flush=True)


if __name__ == "__main__":
    Worker().serve()
