/* SPDX-License-Identifier: Apache-2.0
 *
 * lacuna.h: the C interface of Lacuna, and its only ABI.
 *
 * A mask and a machine give the fastest correct kernel:
 *
 *     lacuna_context* ctx;  lacuna_mask* mask;  lacuna_plan* plan;
 *     lacuna_context_create(NULL, &ctx);
 *     lacuna_mask_load("weights.npz", &mask);
 *     lacuna_problem forward = LACUNA_PROBLEM_INIT;           // C[M,N] = A[M,K] * B[K,N], f32, row-major
 *     forward.n = 256;
 *     lacuna_plan_create(ctx, mask, &forward, 1, NULL, &plan);
 *     float* values = malloc(lacuna_plan_values_count(plan) * sizeof(float));   // 64-byte aligned is best
 *     lacuna_plan_pack(plan, dense, lda, values);
 *     lacuna_operands op = LACUNA_OPERANDS_INIT;
 *     op.values = values;  op.b = b;  op.ldb = ldb;  op.c = c;  op.ldc = ldc;  op.n = 256;
 *     lacuna_plan_execute(plan, 0, &op);
 *
 * Operations (A sparse, B and C dense):
 *     SPMM             C[M,N] = epilogue(A * B[K,N] (+ C)); of a gated layer A[2M,K], see glu
 *     SPMM_TRANSPOSED  C[K,N] = epilogue(A^T * B[M,N] (+ C))
 *     SDDMM            A      = B[M,N] * C[K,N]^T at A's stored weights (+ A)
 * Row-major X[R,N]: X(r,n) at x[r*ldx + n]. Column-major: x[r + n*ldx]. Leading dimensions in elements.
 * C does not alias any other operand.
 *
 * One plan serves all problems that share A's values (a trainer's forward, input gradient and weight gradient):
 * they use one storage format; weights, gradients and momenta are buffers of lacuna_plan_values_count elements.
 *
 * Every function that can fail returns a lacuna_status; lacuna_last_error() then gives the calling thread's message.
 * Thread safety: a context, mask or plan may be used from several threads at once; destroying one may not overlap
 * with its use. A plan keeps its context's kernels: destroy plans before their context. No function throws, aborts
 * or prints.
 */
#ifndef LACUNA_LACUNA_H_
#define LACUNA_LACUNA_H_

#include <stddef.h>
#include <stdint.h>

#include "lacuna/export.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef int32_t lacuna_status;
enum {
  LACUNA_OK = 0,
  LACUNA_ERROR_INVALID_ARGUMENT = 1,
  LACUNA_ERROR_INVALID_FILE = 2,
  LACUNA_ERROR_NOT_FOUND = 3,
  LACUNA_ERROR_IO = 4,
  LACUNA_ERROR_UNSUPPORTED = 5,
  LACUNA_ERROR_COMPILE = 6,
  LACUNA_ERROR_INTERRUPTED = 7,
  LACUNA_ERROR_INTERNAL = 8
};

/* The calling thread's message of the last failed call; "" if none. Valid until that thread's next failing call. */
LACUNA_API const char* lacuna_last_error(void);
/* "0.1.0" */
LACUNA_API const char* lacuna_version(void);

typedef struct lacuna_context lacuna_context;
typedef struct lacuna_mask lacuna_mask;
typedef struct lacuna_plan lacuna_plan;

/* ---- context: target, caches, threads -------------------------------------------------------------------- */

/* Runs body(body_context, task) once for each task in [0, tasks), concurrently or not; returns when all are done. */
typedef void (*lacuna_parallel_for)(void* pool, int64_t tasks,
                                    void (*body)(void* body_context, int64_t task),
                                    void* body_context);

typedef struct lacuna_context_options {
  size_t struct_size;        /* sizeof(lacuna_context_options) */
  const char* cache_folder;  /* NULL = per-user cache ($LACUNA_HOME); "" = no disk cache */
  const char* bundle_folder; /* made by `lacuna generate --bundle`, for `target`; NULL = none */
  int32_t threads;           /* 0 = OpenMP's default, or 1 with a parallel_for */
  lacuna_parallel_for parallel_for; /* NULL = OpenMP */
  void* pool;                       /* first argument of parallel_for */
  /* NULL = this machine; else a target's name or YAML file, whose code this machine must be able to run. A bundle made
     with `lacuna generate --target T` serves contexts of target T: kernels are stored under the target's name. */
  const char* target;
} lacuna_context_options;

LACUNA_API lacuna_status lacuna_context_create(const lacuna_context_options* options,
                                               lacuna_context** out);
LACUNA_API void lacuna_context_destroy(lacuna_context* context);
/* What is worth knowing, e.g. "no AVX-512: using AVX2"; "" if nothing. Lives as long as the context. */
LACUNA_API const char* lacuna_context_note(const lacuna_context* context);

/* ---- mask: which weights of A[M,K] exist ------------------------------------------------------------------ */

LACUNA_API lacuna_status lacuna_mask_from_dense(int64_t m, int64_t k, const float* a, int64_t lda,
                                                lacuna_mask** out);
LACUNA_API lacuna_status lacuna_mask_from_csr(int64_t m, int64_t k, const int64_t* row_ptr,
                                              const int64_t* col_idx, lacuna_mask** out);
/* flags: row-major, ceil(m/r) x ceil(k/c), nonzero = the whole block is in the mask. */
LACUNA_API lacuna_status lacuna_mask_from_blocks(int64_t m, int64_t k, int32_t r, int32_t c,
                                                 const uint8_t* flags, lacuna_mask** out);
/* .npy, .npz (SciPy), Matrix Market, .smtx */
LACUNA_API lacuna_status lacuna_mask_load(const char* path, lacuna_mask** out);
/* N:M sparsity: n of every m columns that follow one another, 1 <= n < m <= 32. */
typedef struct lacuna_n_of_m {
  size_t struct_size; /* sizeof(lacuna_n_of_m) */
  int32_t n;
  int32_t m;
  int32_t v;        /* every v rows from row 0 on share their choice (V:N:M); 0 = 1: none do */
  int32_t reserved; /* 0 */
} lacuna_n_of_m;

/* Keeps the n largest by magnitude, for v > 1 by the sum of magnitudes over the v rows; of equal ones the lower column;
 * of a last group of c < m columns ceil(n*c/m). A NaN or infinity among the weights is an error that names its row and
 * column. */
LACUNA_API lacuna_status lacuna_mask_prune_n_of_m(int64_t m, int64_t k, const float* a, int64_t lda,
                                                  const lacuna_n_of_m* pattern, lacuna_mask** out);
/* LACUNA_OK if every v rows together use at most n columns of each group; else LACUNA_ERROR_INVALID_ARGUMENT with a
 * message that names the first rows and group that use more. */
LACUNA_API lacuna_status lacuna_mask_check_n_of_m(const lacuna_mask* mask,
                                                  const lacuna_n_of_m* pattern);
LACUNA_API void lacuna_mask_destroy(lacuna_mask* mask);
LACUNA_API int64_t lacuna_mask_rows(const lacuna_mask* mask);
LACUNA_API int64_t lacuna_mask_columns(const lacuna_mask* mask);
LACUNA_API int64_t lacuna_mask_nnz(const lacuna_mask* mask);

/* ---- problem and plan ------------------------------------------------------------------------------------- *
 *
 * A plan is chosen for the context's number of threads: `lacuna tune` records what it measured under that number, and
 * without a record kernels are preferred that share out among them. So contexts with different numbers of threads may
 * get different formats and kernels, whose results differ by rounding. The results of one plan do not depend on the
 * number of threads.
 */

enum { LACUNA_OP_SPMM = 0, LACUNA_OP_SPMM_TRANSPOSED = 1, LACUNA_OP_SDDMM = 2 };
enum { LACUNA_ROW_MAJOR = 0, LACUNA_COL_MAJOR = 1 };
/* Types of elements: of A's values where they are read, of B (for SDDMM of C too), and of the result (C; for SDDMM A's
 * values). What an epilogue reads: scale and bias are f32, dense operands of the result's type.
 *
 * bf16 is the upper half of an f32; products and sums are f32, results are rounded to nearest, ties to even.
 * s8 and u8 (SPMM and SPMM_TRANSPOSED) are multiplied and summed exactly, in 32 bits with wrap-around; an f32 or bf16 result is the sum,
 * converted on its way through the epilogue, whose scales give it its size.
 * C4 to C8 (SPMM and SPMM_TRANSPOSED): a weight is codebook[value], the codebook 2^4 to 2^8 numbers of f32 that come with
 * the operands; a value takes a byte. codebook[0] is 0, which is what padding stands for. Such a plan may also have an
 * SDDMM of f32: gradients of weights one by one.
 * Problems of one plan may mix types whose values have the same size (BF16 and BF16_F32). */
enum {
  LACUNA_TYPES_F32 = 0,
  LACUNA_TYPES_BF16 = 1,       /* bf16 throughout */
  LACUNA_TYPES_BF16_F32 = 2,   /* bf16 in, f32 out */
  LACUNA_TYPES_S8_S8_F32 = 3,  /* values s8, B s8, C f32 */
  LACUNA_TYPES_S8_U8_F32 = 4,  /* values s8, B u8, C f32 */
  LACUNA_TYPES_S8_S8_BF16 = 5, /* values s8, B s8, C bf16 */
  LACUNA_TYPES_S8_U8_BF16 = 6, /* values s8, B u8, C bf16 */
  LACUNA_TYPES_S8_S8_S32 = 7,  /* values s8, B s8, C s32: the sums; no epilogue */
  LACUNA_TYPES_S8_U8_S32 = 8,  /* values s8, B u8, C s32: the sums; no epilogue */
  LACUNA_TYPES_C4_F32 = 9,  /* values u8: indices of 4 bits into a codebook of f32; B and C f32 */
  LACUNA_TYPES_C5_F32 = 10, /* ... of 5 bits, and so on */
  LACUNA_TYPES_C6_F32 = 11,
  LACUNA_TYPES_C7_F32 = 12,
  LACUNA_TYPES_C8_F32 = 13
};
/* One of them. */
enum {
  LACUNA_TYPE_F32 = 0,
  LACUNA_TYPE_BF16 = 1,
  LACUNA_TYPE_S8 = 2,
  LACUNA_TYPE_U8 = 3,
  LACUNA_TYPE_S32 = 4
};
/* Bytes of an element of a LACUNA_TYPE_; 0 of any other number. */
LACUNA_API int32_t lacuna_type_bytes(int32_t type);
enum { LACUNA_EPILOGUE_NONE = 0, LACUNA_EPILOGUE_BIAS = 1, LACUNA_EPILOGUE_BIAS_RELU = 2 };
/* gelu_erf(x) = x Phi(x), Phi the normal distribution; gelu_tanh its approximation with tanh; silu(x) = x / (1 + e^-x).
 * All are accurate to a few units in the last place, for every x. */
enum {
  LACUNA_ACTIVATION_NONE = 0,
  LACUNA_ACTIVATION_RELU = 1,
  LACUNA_ACTIVATION_GELU_ERF = 2,
  LACUNA_ACTIVATION_GELU_TANH = 3,
  LACUNA_ACTIVATION_SILU = 4
};
enum {
  LACUNA_SCALE_NONE = 0,
  LACUNA_SCALE_FACTOR = 1,
  LACUNA_SCALE_ROWS = 2,
  LACUNA_SCALE_COLUMNS = 3,
  LACUNA_SCALE_ROWS_COLUMNS = 4
};

/* What happens to each sum s (plus what C held, with accumulate) on its way to C. Every part may be left out, and all
 * can be combined; for SDDMM there is none of them.
 *
 *     z = scale * s + bias
 *     y = act(z)              or, with derivative,   y = z * act'(x)
 *     C = y * gate + residual
 *
 * scale is one factor (FACTOR), one for each row of C (ROWS), one for each column (COLUMNS), or the product of both
 * (ROWS_COLUMNS: int8 with scales of the weights' rows and of the tokens), bias one number for each row of C. x (preactivation),
 * gate and residual are dense operands of C's shape and layout. x is what the activation was applied to in the forward
 * pass; for relu its result does as well. A NaN stays a NaN, but relu' chooses: where x <= 0, y is 0 whatever z is.
 * Examples: silu and gate: the second half of SwiGLU, silu(A * B) * up.
 * SPMM_TRANSPOSED with activation and derivative: the gradient before that activation, in one pass.
 *
 * With glu (SPMM only; without gate, derivative and accumulate) the mask is that of A_gate with A_up below it, 2M x K, and
 * so are the values and the rows of scale and bias; C has M rows, as has the residual:
 *     C = act(scale * (A_gate * B) + bias) * (scale * (A_up * B) + bias) + residual
 * SwiGLU (silu), GeGLU (gelu) or ReGLU in one pass over B. The two halves may have different patterns. Other problems of
 * the plan are of all of A as ever: SPMM_TRANSPOSED takes the gradients of both halves as one B[2M,N], SDDMM too. The
 * height of blocks or of jammed rows must divide M; there are no kernels for N:M and for baked panels. */

typedef struct lacuna_problem {
  size_t struct_size; /* sizeof(lacuna_problem) */
  int32_t op;
  int32_t layout_b;
  int32_t layout_c;
  int32_t epilogue;   /* BIAS adds a bias, BIAS_RELU also sets activation to RELU */
  int32_t accumulate; /* 1: the result is added to what is there */
  int64_t n;          /* expected dense columns; 0 = unknown. A call may use any n. */
  /* More parts of the epilogue. */
  int32_t scale;      /* LACUNA_SCALE_ */
  int32_t activation; /* LACUNA_ACTIVATION_ */
  int32_t derivative; /* 1: multiply by act'(x) instead of applying the activation */
  int32_t gate;       /* 1: multiply by the operand gate */
  int32_t residual;   /* 1: add the operand residual */
  int32_t types;      /* LACUNA_TYPES_ */
  int32_t glu;        /* 1: multiply by the other half of A's rows */
  int32_t reserved;   /* 0 */
} lacuna_problem;

#define LACUNA_PROBLEM_INIT {sizeof(lacuna_problem), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}

/* A codebook of 2^bits numbers (bits from 4 to 8) for `count` weights, and their indices: 0 for zeros, for the others by
 * k-means over their values, exact where there are fewer than 2^bits distinct ones. The same weights give the same
 * codebook. Indices of a dense matrix are packed like one: lacuna_plan_pack_from with LACUNA_TYPE_U8, which refuses those
 * that the problem's codebook does not have. */
LACUNA_API lacuna_status lacuna_codebook_make(const float* weights, int64_t count, int32_t bits,
                                              float* codebook, uint8_t* indices);

typedef struct lacuna_plan_options {
  size_t struct_size; /* sizeof(lacuna_plan_options) */
  int32_t block_r;    /* 0 = chosen by the planner; else 1..64, with block_c */
  int32_t block_c;
  int32_t exact; /* 1: store exactly the mask's elements (what training needs) */
  const char*
      format; /* NULL, or a format's name ("bsr16x1", "jam4", "nm2of4"): overrides block_r, block_c */
} lacuna_plan_options;

LACUNA_API lacuna_status lacuna_plan_create(lacuna_context* context, const lacuna_mask* mask,
                                            const lacuna_problem* problems, size_t problem_count,
                                            const lacuna_plan_options* options, lacuna_plan** out);
LACUNA_API void lacuna_plan_destroy(lacuna_plan* plan);
/* Elements of a values buffer. Padding inside blocks counts; jammed rows have none. N:M formats store n of each group,
 * for a multiple of 16 rows; they serve spmm of few columns only. */
LACUNA_API int64_t lacuna_plan_values_count(const lacuna_plan* plan);
/* The LACUNA_TYPE_ of an operand of one problem; -1 if there is no such problem. Problems of one plan may differ: with
 * BF16_F32 forward reads values of bf16, and the weight gradient is f32. */
LACUNA_API int32_t lacuna_plan_type_of_values(const lacuna_plan* plan, size_t problem);
LACUNA_API int32_t lacuna_plan_type_of_b(const lacuna_plan* plan, size_t problem);
LACUNA_API int32_t lacuna_plan_type_of_c(const lacuna_plan* plan, size_t problem);
/* "bsr32x1", "jam4" or "nm2of4" / the kernel's canonical name / "default", "predicted", "measured". Live as long as the
 * plan. */
LACUNA_API const char* lacuna_plan_format(const lacuna_plan* plan);
LACUNA_API const char* lacuna_plan_kernel(const lacuna_plan* plan, size_t problem);
LACUNA_API const char* lacuna_plan_provenance(const lacuna_plan* plan);

/* values <- dense row-major a[i*lda + j] at the stored weights / dense <- values, zero elsewhere. Elements of `values`
 * have the type of the first problem's: bf16 is rounded to nearest, ties to even; integers too, those beyond the type's
 * range become its ends, and a NaN 0. */
LACUNA_API lacuna_status lacuna_plan_pack(const lacuna_plan* plan, const float* a, int64_t lda,
                                          void* values);
LACUNA_API lacuna_status lacuna_plan_unpack(const lacuna_plan* plan, const void* values, float* a,
                                            int64_t lda);
/* The same for any problem, and a dense matrix of LACUNA_TYPE_ `type`: F32, or that of the problem's values, whose bits
 * are then copied. */
LACUNA_API lacuna_status lacuna_plan_pack_from(const lacuna_plan* plan, size_t problem,
                                               const void* a, int32_t type, int64_t lda,
                                               void* values);
LACUNA_API lacuna_status lacuna_plan_unpack_to(const lacuna_plan* plan, size_t problem,
                                               const void* values, void* a, int32_t type,
                                               int64_t lda);

/* Pointers to elements of the types that the problem has: LACUNA_TYPES_F32, or what lacuna_plan_type_of_ tells. */
typedef struct lacuna_operands {
  size_t struct_size; /* sizeof(lacuna_operands) */
  void* values;       /* read by spmm and spmm_transposed, written by sddmm */
  const void* b;
  int64_t ldb;
  void* c; /* read by sddmm, written otherwise */
  int64_t ldc;
  const float* bias; /* one for each row of C, with glu of A; NULL without a bias epilogue */
  int64_t n; /* dense columns of this call; 0: an empty sum, zero for sddmm, no output otherwise */
  /* Operands of the epilogue; those it does not have are not looked at. */
  const float* scale; /* one factor, or one for each row of C, with glu of A (ROWS, ROWS_COLUMNS) */
  const void* preactivation; /* x */
  int64_t ld_preactivation;
  const void* gate;
  int64_t ld_gate;
  const void* residual;
  int64_t ld_residual;
  const float* scale_columns; /* one for each column of C (COLUMNS, ROWS_COLUMNS) */
  const float* codebook;      /* of LACUNA_TYPES_C4_F32 to C8_F32: 2^bits numbers, the first 0 */
} lacuna_operands;

#define LACUNA_OPERANDS_INIT \
  {sizeof(lacuna_operands), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}

/* Runs problem number `problem` of the plan. The result of one plan is the same, bit for bit, for any number of threads
 * (another number may have given another plan: see above). */
LACUNA_API lacuna_status lacuna_plan_execute(const lacuna_plan* plan, size_t problem,
                                             const lacuna_operands* operands);

#ifdef __cplusplus
}
#endif

#endif /* LACUNA_LACUNA_H_ */
