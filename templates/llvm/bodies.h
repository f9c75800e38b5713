// SPDX-License-Identifier: Apache-2.0
//
// The kernel bodies, one function per Strategy (for sddmm per format), one file each. Each emits the whole loop nest of
// its kernel.
#pragma once

namespace lacuna {

class KernelBuilder;

void emit_row_tile(KernelBuilder& kb);     // bsr_row_tile.cpp
void emit_scatter(KernelBuilder& kb);      // bsr_scatter.cpp
void emit_column_tile(KernelBuilder& kb);  // bsr_column_tile.cpp
void emit_matrix_tile(KernelBuilder& kb);  // matrix_tile.cpp
void emit_sddmm_tile(KernelBuilder& kb);   // bsr_sddmm_tile.cpp
void emit_jam_sddmm(KernelBuilder& kb);    // jam_sddmm.cpp
void emit_sddmm_inner(KernelBuilder& kb);  // bsr_sddmm_inner.cpp
void emit_permute(KernelBuilder& kb);      // nm_permute.cpp
void emit_stream(KernelBuilder& kb);       // bsr_stream.cpp

}  // namespace lacuna
