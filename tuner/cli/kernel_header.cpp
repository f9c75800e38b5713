// SPDX-License-Identifier: Apache-2.0
#include "tuner/cli/kernel_header.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "targets/base/dtype.h"
#include "templates/abi.h"
#include "templates/element_types.h"
#include "templates/epilogue.h"
#include "templates/format.h"
#include "templates/kernel_spec.h"
#include "templates/problem.h"
#include "templates/registry.h"
#include "templates/schedule.h"
#include "tuner/cli/kernel_choice.h"

namespace lacuna::cli {
namespace {

// Follows templates/abi.h field by field; the assertions below guard against drift. Goes through fmt.
constexpr const char* kArgsStruct = R"(#ifndef LACUNA_KERNEL_ARGS
#define LACUNA_KERNEL_ARGS {version}
/* One call computes panels [panel_begin, panel_end) x dense columns [n_begin, n_end). What a panel and an entry are,
 * the kernel says. Sizes in elements. {padding} elements of origin beyond the last entry must be readable, and hold
 * row numbers (0 will do). */
typedef struct lacuna_kernel_args {{
  void* values;          /* of A; read by spmm and spmm_transposed, written by sddmm. Types: see the kernel */
  const int64_t* ptr;    /* entries of panel p are [ptr[p], ptr[p + 1]); jammed rows: see the kernel */
  const int32_t* origin; /* per entry: its first row of B or C, as the kernel says */
  const int32_t* block;  /* per entry: the block's number in values; NULL: the entry's own number */
  const int64_t* first_value; /* jammed rows, baked panels: [panels + 1] where their values begin; else NULL */
  const void* b;
  void* c;               /* written by spmm and spmm_transposed, read by sddmm */
  const float* bias;     /* indexed by C's row, with glu by A's; NULL without a bias in the epilogue */
  float* scratch;        /* private to the call, 64-byte aligned; size: see the kernel */
  int64_t ldb, ldc;
  int64_t rows_out;      /* of the result: M (spmm, sddmm; with glu half of A's rows) or K (spmm_transposed) */
  int64_t rows_in;       /* A's other dimension: K (spmm, sddmm) or M (spmm_transposed) */
  int64_t panel_begin, panel_end;
  int64_t n_begin, n_end;
  const float* scale;    /* of the epilogue: one factor, or one for each row of C; NULL without, as those below */
  const void* preactivation; /* dense like C and of its type: x */
  const void* gate;      /* dense like C and of its type */
  const void* residual;  /* dense like C and of its type */
  int64_t ld_preactivation, ld_gate, ld_residual;
  const float* scale_columns; /* one for each column of C */
  const float* codebook;      /* of types c4f32 to c8f32, whose values are indices into it */
  const void* code;      /* baked panels: the code of the pattern; else NULL */
}} lacuna_kernel_args;
#elif LACUNA_KERNEL_ARGS != {version}
#error "kernels of different versions of lacuna generate"
#endif)";
static_assert(sizeof(KernelArgs) == 216 && offsetof(KernelArgs, origin) == 16 &&
                  offsetof(KernelArgs, first_value) == 32 && offsetof(KernelArgs, b) == 40 &&
                  offsetof(KernelArgs, bias) == 56 && offsetof(KernelArgs, ldb) == 72 &&
                  offsetof(KernelArgs, rows_in) == 96 && offsetof(KernelArgs, n_end) == 128 &&
                  offsetof(KernelArgs, scale) == 136 && offsetof(KernelArgs, residual) == 160 &&
                  offsetof(KernelArgs, ld_residual) == 184 &&
                  offsetof(KernelArgs, scale_columns) == 192 &&
                  offsetof(KernelArgs, codebook) == 200 && offsetof(KernelArgs, code) == 208,
              "kArgsStruct does not follow templates/abi.h");

std::string layout_words(Layout layout) {
  return layout == Layout::kRowMajor ? "row-major: (r, n) at [r * ld + n]"
                                     : "column-major: (r, n) at [r + n * ld]";
}

// "scale * (A * B) + bias"
std::string scaled(const Epilogue& epilogue, std::string text) {
  if (scales_columns(epilogue.scale)) text = fmt::format("scale_columns[column] * ({})", text);
  if (has_factors(epilogue.scale))
    text = fmt::format("{} * ({})", scales_rows(epilogue.scale) ? "scale[row]" : "scale[0]", text);
  if (epilogue.bias) text += " + bias[row]";
  return text;
}

// "(scale * (A * B) + bias) * silu'(preactivation) * gate + residual"
std::string with_epilogue(const Epilogue& epilogue, std::string text) {
  const std::string_view activation = to_text(epilogue.activation);
  if (epilogue.derivative)
    text = fmt::format("({}) * {}'(preactivation)", text, activation);
  else if (epilogue.activation != Activation::kNone)
    text = fmt::format("{}({})", activation, text);
  else if (epilogue.gate)
    text = fmt::format("({})", text);
  if (epilogue.glu) text += " * U";
  if (epilogue.gate) text += " * gate";
  if (epilogue.residual) text += " + residual";
  return text;
}

std::string formula(const KernelSpec& spec) {
  const char* const plus = spec.accumulate ? " + what was there" : "";
  std::string inner;
  switch (spec.op) {
    case Op::kSpmm:
      inner = fmt::format("A[M,K] * B[K,N]{}", plus);
      break;
    case Op::kSpmmTransposed:
      inner = fmt::format("A[M,K]^T * B[M,N]{}", plus);
      break;
    case Op::kSddmm:
      return fmt::format("A[M,K] = B[M,N] * C[K,N]^T at A's stored weights{}", plus);
  }
  inner = scaled(spec.epilogue, inner);
  if (spec.epilogue.glu)
    return fmt::format("C[M,N] = {}, where [G; U] = {}", with_epilogue(spec.epilogue, "G"),
                       scaled(spec.epilogue, "A[2M,K] * B[K,N]"));
  return fmt::format("{} = {}", spec.op == Op::kSpmm ? "C[M,N]" : "C[K,N]",
                     with_epilogue(spec.epilogue, inner));
}

std::string_view type_words(DType type) {
  switch (type) {
    case DType::kF32:
      return "float";
    case DType::kBf16:
      return "bf16 (the upper half of a float)";
    case DType::kS8:
      return "int8_t";
    case DType::kU8:
      return "uint8_t";
    case DType::kS32:
      return "int32_t";
  }
  return {};
}

// What the pointers of the arguments point at, and what narrow elements ask of the sizes.
std::string types_words(const KernelSpec& spec) {
  const OperandTypes types = operand_types(spec.types);
  const bool sddmm = spec.op == Op::kSddmm;
  std::string text = fmt::format(
      " * Elements: values {}, B {}, C {}.\n", type_words(sddmm ? types.result : types.weights),
      type_words(types.dense), type_words(sddmm ? types.dense : types.result));
  if (const std::int32_t group = group_of(spec.format); group != 1)
    text += fmt::format(" * {} a multiple of {}.\n",
                        spec.op == Op::kSpmmTransposed ? "M and K are" : "K is", group);
  return text;
}

constexpr const char* kMatrixUnitWords =
    " * Uses the matrix unit (AMX): the process must have asked for its state, once for all "
    "threads, on Linux with\n"
    " * syscall(SYS_arch_prctl, 0x1023, 18), that is ARCH_REQ_XCOMP_PERM for the tile data; else "
    "it gets SIGILL.\n";

std::string splits_words(const Splits& splits) {
  if (splits.panels && splits.n)
    return fmt::format("Calls may split the panels, and n at multiples of {}, and run at once.",
                       splits.n_granule);
  if (splits.panels) return "Calls may split the panels and run at once; each must cover all of n.";
  if (splits.n)
    return fmt::format(
        "Calls may split n at multiples of {} and run at once; each must cover all panels.",
        splits.n_granule);
  return "One call must cover all panels and all of n.";
}

// Where element (i, j) of block number q lies, see format.h.
std::string index_in_values(const Bsr& bsr) {
  const auto [r, c, group] = bsr;
  if (group == 1) return fmt::format("q * {} + j * {} + i", r * c, r);
  return fmt::format("q * {} + j / {} * {} + i * {} + j % {}", r * c, group, r * group, group,
                     group);
}

std::string words(const Bsr& bsr) {
  return fmt::format(
      " * A: block sparse row, {} x {} blocks; element (i, j) of block number q at values[{}].\n"
      " *    Where the block shape does not divide M or K, the last block row or column is shifted "
      "back to end with A;\n"
      " *    its elements that belong to the neighbour are stored as zeros.\n",
      bsr.r, bsr.c, index_in_values(bsr));
}

constexpr const char* kJamWords =
    R"( * A: jammed rows, panels of {r}. Group g of a panel, 1 <= g <= {groups}, holds the columns that touch exactly its
 *    rows i with bit i set in g: entries [ptr[p * {groups} + g - 1], ptr[p * {groups} + g]), ascending. Values from
 *    first_value[p] on, in the order of the entries, those of one entry by row. Where {r} does not divide M, the last
 *    panel is shifted back to end with A, and holds only rows that no earlier panel has.
)";

std::string words(const Jam& jam) {
  return fmt::format(kJamWords, fmt::arg("r", jam.r), fmt::arg("groups", jam.groups()));
}

constexpr const char* kNmWords =
    R"( * A: {n} of every {m} columns, panels of 16 rows; groups = ceil(K / {m}). Row i of panel p, slot s of group g at
 *    values[((p * groups + g) * {n} + s) * 16 + i]; rows beyond M are zeros. Its column within the group: bits from
 *    {bits} * (i / {words}) on, {bits} of them, of origin[((p * groups + g) * {n} + s) * {words} + i % {words}]. The columns
 *    of a group of a row ascend and differ; zeros fill up. ptr is not read.
)";

std::string words(const NofM& nm) {
  return fmt::format(kNmWords, fmt::arg("n", nm.n), fmt::arg("m", nm.m),
                     fmt::arg("bits", nm.index_bits()), fmt::arg("words", nm.index_words()));
}

std::string words(const Baked& baked) {
  return fmt::format(
      " * A: baked panels of {} rows, the last one with what is left. Their columns are in code "
      "that is made of the "
      "mask:\n"
      " *    `lacuna generate` with a mask adds it to a bundle. Values from first_value[p] on, "
      "column by column in "
      "ascending order,\n"
      " *    those of one column by row.\n",
      baked.r);
}

// What the kernel walks, and what its entries' origins are rows of.
std::string walk_words(const KernelSpec& spec) {
  if (std::holds_alternative<NofM>(spec.format)) return {};  // said with the format
  const bool by_rows = panel_direction(spec) == PanelDirection::kBlockRows;
  const bool of_b = spec.op == Op::kSpmm || (spec.op == Op::kSpmmTransposed && !by_rows);
  std::string text =
      fmt::format(" * Panels are {} of A; the origin of an entry is its first row of {}.\n",
                  by_rows ? "block rows" : "block columns", of_b ? "B" : "C");
  if (gathers_values(spec))
    text +=
        " * All that is said of ptr and first_value is said of A's transpose, in the same format; "
        "block holds, for each\n"
        " *    value of the transpose in its order, the number of that value in A's order.\n";
  if (const std::int32_t kc = spec.schedule.kc; kc > 0)
    text += fmt::format(
        " * In chunks of {0} rows of B: ptr has chunks = max(1, ceil(rows_in / {0})) parts for "
        "each of "
        "the lists above,\n"
        " *    part number origin / {0} of list l at [ptr[l * chunks + part], ptr[l * chunks + "
        "part + "
        "1]).\n",
        kc);
  return text;
}

}  // namespace

std::string kernel_header(const KernelChoice& choice) {
  const auto& [spec, target] = choice;
  const std::string name = kernel_name(spec, target.name);
  std::string guard = "LACUNA_KERNEL_" + name + "_H_";
  std::transform(guard.begin(), guard.end(), guard.begin(), [](char c) {
    return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  });
  // Scratch grows with rows_in, rows_out and n; a program asks the library, this note gives one point to check against.
  constexpr std::int64_t kExampleRows = 1024;
  constexpr std::int64_t kExampleN = 256;
  const auto scratch = scratch_floats(spec, target, kExampleRows, kExampleRows, kExampleN);
  std::string text =
      fmt::format("/* Made by lacuna generate for target {}. */\n#ifndef {}\n#define {}\n\n",
                  target.name, guard, guard);
  text += "#include <stdint.h>\n\n";
  text += fmt::format(kArgsStruct, fmt::arg("version", kAbiVersion),
                      fmt::arg("padding", kOriginPadding)) +
          "\n\n#ifdef __cplusplus\nextern \"C\" {\n#endif\n\n";
  text += fmt::format("/* {}.\n", formula(spec));
  text += types_words(spec);
  text += std::visit([](const auto& format) { return words(format); }, spec.format);
  text += walk_words(spec);
  text += fmt::format(" * B: {}.\n * C: {}.\n", layout_words(spec.layout_b),
                      layout_words(spec.layout_c));
  text += fmt::format(" * {}\n", splits_words(allowed_splits(spec, target)));
  text += scratch == 0
              ? std::string(" * Needs no scratch.\n")
              : fmt::format(" * Scratch: {} floats for rows_in = rows_out = {} and n = {}.\n",
                            scratch, kExampleRows, kExampleN);
  if (spec.schedule.strategy == Strategy::kMatrixTile) text += kMatrixUnitWords;
  text += " * C does not alias another operand. */\n";
  text += fmt::format(
      "void {}(const lacuna_kernel_args* args);\n\n#ifdef __cplusplus\n}}\n#endif\n\n#endif /* "
      "{} */\n",
      name, guard);
  return text;
}

}  // namespace lacuna::cli
