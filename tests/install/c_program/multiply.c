/* SPDX-License-Identifier: Apache-2.0
 *
 * A stranger's C program: one block-sparse product through the installed library, checked against a triple loop.
 * Exit status: 0 correct, 1 an error of the library (its message on stderr), 2 a wrong element.
 */
#include <lacuna/lacuna.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* No dimension is a multiple of the block: the last block row and column are cut off. */
enum { M = 100, K = 72, N = 33, BLOCK = 16, BLOCK_ROWS = 7, BLOCK_COLUMNS = 5 };

static float a[M * K], b[K * N], c[M * N];
static uint8_t flags[BLOCK_ROWS * BLOCK_COLUMNS];

static int stored(int i, int j) {
  return flags[i / BLOCK * BLOCK_COLUMNS + j / BLOCK];
}

static void fill_operands(void) {
  for (int block = 0; block < BLOCK_ROWS * BLOCK_COLUMNS; ++block)
    flags[block] = block % 3 == 0;
  for (int i = 0; i < M; ++i) {
    for (int j = 0; j < K; ++j)
      a[i * K + j] = stored(i, j) ? sinf((float)(i * K + j)) : 0.0f;
  }
  for (int i = 0; i < K * N; ++i)
    b[i] = cosf((float)i);
  for (int i = 0; i < M * N; ++i)
    c[i] = NAN;
}

/* Each element within the rounding bound of its own sum: (length + 2) * 2^-24 * sum |a b|. */
static int wrong_elements(void) {
  int wrong = 0;
  for (int i = 0; i < M; ++i) {
    for (int n = 0; n < N; ++n) {
      double sum = 0, magnitude = 0;
      for (int j = 0; j < K; ++j) {
        const double term = (double)a[i * K + j] * b[j * N + n];
        sum += term;
        magnitude += fabs(term);
      }
      if (!(fabs(c[i * N + n] - sum) <= (K + 2) * ldexp(magnitude, -24))) ++wrong;
    }
  }
  return wrong;
}

static lacuna_status multiply(lacuna_context* context, const lacuna_mask* mask) {
  lacuna_problem problem = LACUNA_PROBLEM_INIT;
  problem.n = N;
  lacuna_plan_options options = {sizeof(lacuna_plan_options), BLOCK, BLOCK, 1, NULL};
  lacuna_plan* plan = NULL;
  lacuna_status status = lacuna_plan_create(context, mask, &problem, 1, &options, &plan);
  if (status != LACUNA_OK) return status;
  float* values = malloc((size_t)lacuna_plan_values_count(plan) * sizeof(float));
  status = lacuna_plan_pack(plan, a, K, values);
  if (status == LACUNA_OK) {
    lacuna_operands operands = LACUNA_OPERANDS_INIT;
    operands.values = values;
    operands.b = b;
    operands.c = c;
    operands.ldb = operands.ldc = operands.n = N;
    status = lacuna_plan_execute(plan, 0, &operands);
  }
  if (status == LACUNA_OK) printf("%s: %s\n", lacuna_version(), lacuna_plan_kernel(plan, 0));
  free(values);
  lacuna_plan_destroy(plan);
  return status;
}

/* Half of every four weights. */
static lacuna_status prune(void) {
  const lacuna_n_of_m pattern = {sizeof(lacuna_n_of_m), 2, 4, 0, 0};
  lacuna_mask* mask = NULL;
  lacuna_status status = lacuna_mask_prune_n_of_m(M, K, a, K, &pattern, &mask);
  if (status == LACUNA_OK) status = lacuna_mask_check_n_of_m(mask, &pattern);
  lacuna_mask_destroy(mask);
  return status;
}

/* Of ones in bf16, whose upper half is all there is: each element is the number of its row's weights, exactly. */
static lacuna_status multiply_bf16(lacuna_context* context, const lacuna_mask* mask, int* wrong) {
  static uint16_t values[M * K + BLOCK * (M + K)], ones[K * N];
  lacuna_problem problem = LACUNA_PROBLEM_INIT;
  problem.types = LACUNA_TYPES_BF16_F32;
  lacuna_plan_options options = {sizeof(lacuna_plan_options), BLOCK, BLOCK, 1, NULL};
  lacuna_plan* plan = NULL;
  lacuna_status status = lacuna_plan_create(context, mask, &problem, 1, &options, &plan);
  if (status != LACUNA_OK) return status;
  for (int i = 0; i < M * K; ++i)
    a[i] = 1.0f;
  for (int i = 0; i < K * N; ++i)
    ones[i] = 0x3F80;
  status = lacuna_plan_pack(plan, a, K, values);
  if (status == LACUNA_OK) {
    lacuna_operands operands = LACUNA_OPERANDS_INIT;
    operands.values = values;
    operands.b = ones;
    operands.c = c;
    operands.ldb = operands.ldc = operands.n = N;
    status = lacuna_plan_execute(plan, 0, &operands);
  }
  for (int i = 0; status == LACUNA_OK && i < M; ++i) {
    int count = 0;
    for (int j = 0; j < K; ++j)
      count += stored(i, j);
    for (int n = 0; n < N; ++n)
      *wrong += c[i * N + n] != (float)count;
  }
  *wrong += lacuna_plan_type_of_values(plan, 0) != LACUNA_TYPE_BF16;
  lacuna_plan_destroy(plan);
  return status;
}

int main(void) {
  lacuna_context* context = NULL;
  lacuna_mask* mask = NULL;
  fill_operands();
  lacuna_status status = lacuna_context_create(NULL, &context);
  if (status == LACUNA_OK) status = lacuna_mask_from_blocks(M, K, BLOCK, BLOCK, flags, &mask);
  if (status == LACUNA_OK) status = multiply(context, mask);
  if (status == LACUNA_OK) status = prune();
  int wrong = wrong_elements();
  if (status == LACUNA_OK) status = multiply_bf16(context, mask, &wrong);
  if (status != LACUNA_OK) fprintf(stderr, "error %d: %s\n", (int)status, lacuna_last_error());
  lacuna_mask_destroy(mask);
  lacuna_context_destroy(context);
  if (status != LACUNA_OK) return 1;
  if (wrong != 0) fprintf(stderr, "%d of %d elements are wrong\n", wrong, M * N);
  return wrong == 0 ? 0 : 2;
}
