// SPDX-License-Identifier: Apache-2.0
//
// KernelBuilder: the vocabulary every kernel body is written in. Width-agnostic: a "vector" is the target's vector of
// 32-bit lanes, whether 256 or 512 bits. A lane holds an f32 or a group of narrow elements (element_types.h; widened ones
// are f32): what moves
// lanes does not care which; multiply_add, load_dense and store_result do. What it emits is final-form IR: explicit vectors, llvm.fma, byte-offset
// pointer arithmetic and loops with phis; no optimisation pass runs after it (LLVM's O2 pipeline was measured to
// turn register tiles into spills, 118 -> 76 GFLOP/s).
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <llvm/IR/IRBuilder.h>
#include <llvm/IR/LLVMContext.h>
#include <llvm/IR/Module.h>

#include "targets/target.h"
#include "templates/format.h"
#include "templates/kernel_spec.h"
#include "templates/llvm/constant_table.h"

namespace lacuna {

using Values = std::vector<llvm::Value*>;

// The fields of KernelArgs, loaded once at entry.
struct KernelArgValues {
  llvm::Value *values, *ptr, *origin, *block, *first_value, *b, *c, *bias, *scratch,
      *codebook;  // pointers
  llvm::Value *ldb_bytes, *ldc_bytes, *rows_out, *rows_in, *panel_begin, *panel_end, *n_begin,
      *n_end;  // i64
};

class KernelBuilder {
 public:
  // Starts `void name(const KernelArgs*)` in the module.
  KernelBuilder(llvm::Module& module, const KernelSpec& spec, const Target& target);
  // Ends the function.
  void finish();

  [[nodiscard]] const KernelSpec& spec() const { return spec_; }
  [[nodiscard]] const KernelArgValues& args() const { return args_; }
  [[nodiscard]] llvm::IRBuilder<>& ir() { return ir_; }
  [[nodiscard]] ConstantTable& constants() { return constants_; }
  [[nodiscard]] int lanes() const { return lanes_; }
  [[nodiscard]] std::int64_t vector_bytes() const { return lanes_ * 4LL; }
  [[nodiscard]] std::int32_t group() const { return group_of(spec_.format); }
  // Bytes of an element of the dense operands and of the stored weights.
  [[nodiscard]] std::int64_t b_bytes() const {
    return size_bytes(operand_types(spec_.types).dense);
  }
  [[nodiscard]] std::int64_t c_bytes() const;
  [[nodiscard]] std::int64_t values_bytes() const;

  // A field of KernelArgs at `offset`, loaded where it is needed: what only store paths read would hold a register
  // through the loops before them.
  [[nodiscard]] llvm::Value* load_pointer_argument(std::size_t offset);
  [[nodiscard]] llvm::Value* load_integer_argument(std::size_t offset);

  // --- integers and addresses (i64, bytes) ---
  [[nodiscard]] llvm::Value* i64(std::int64_t value) {
    return ir_.getInt64(static_cast<std::uint64_t>(value));
  }
  [[nodiscard]] llvm::Value* add(llvm::Value* a, llvm::Value* b) {
    return ir_.CreateAdd(a, b, "", false, true);
  }
  [[nodiscard]] llvm::Value* sub(llvm::Value* a, llvm::Value* b) {
    return ir_.CreateSub(a, b, "", false, true);
  }
  [[nodiscard]] llvm::Value* mul(llvm::Value* a, llvm::Value* b) {
    return ir_.CreateMul(a, b, "", false, true);
  }
  [[nodiscard]] llvm::Value* min(llvm::Value* a, llvm::Value* b);
  [[nodiscard]] llvm::Value* max(llvm::Value* a, llvm::Value* b);
  [[nodiscard]] llvm::Value* round_up_to_lanes(llvm::Value* count);
  // How many groups `elements` are, which must be whole groups.
  [[nodiscard]] llvm::Value* groups_of(llvm::Value* elements);
  // pointer + bytes
  [[nodiscard]] llvm::Value* at(llvm::Value* pointer, llvm::Value* bytes);
  [[nodiscard]] llvm::Value* at(llvm::Value* pointer, std::int64_t bytes) {
    return at(pointer, i64(bytes));
  }
  // The same pointer, computed into a register here: LLVM cannot fold what it is made of into later addresses.
  [[nodiscard]] llvm::Value* in_register(llvm::Value* pointer);
  // i64 / sign-extended i32 element `index` of an array
  [[nodiscard]] llvm::Value* load_i64(llvm::Value* array, llvm::Value* index);
  [[nodiscard]] llvm::Value* load_i32(llvm::Value* array, llvm::Value* index);
  [[nodiscard]] llvm::Value* load_i32(llvm::Value* pointer);

  // --- vectors ---
  [[nodiscard]] llvm::Value* zero() const { return llvm::Constant::getNullValue(vector_type_); }
  // The same vector, computed before any load that follows: keeps LLVM from loading ahead into registers that the
  // computation needs.
  [[nodiscard]] llvm::Value* compute_first(llvm::Value* vector);
  // A null mask means all lanes. Masked-off lanes load as zero and are not touched in memory.
  [[nodiscard]] llvm::Value* load(llvm::Value* pointer, llvm::Value* mask = nullptr);
  void store(llvm::Value* pointer, llvm::Value* vector, llvm::Value* mask = nullptr);
  // Floats of `base`, by the 32-bit numbers that lie side by side at `numbers`.
  [[nodiscard]] llvm::Value* gather(llvm::Value* base, llvm::Value* numbers,
                                    llvm::Value* mask = nullptr);
  [[nodiscard]] llvm::Value* broadcast(llvm::Value* pointer);  // one float to all lanes
  void prefetch(llvm::Value* pointer);                         // for reading, into L1
  // One narrow element as a group that ends in zeros: in one lane, in all lanes.
  [[nodiscard]] llvm::Value* load_element(llvm::Value* pointer);
  [[nodiscard]] llvm::Value* broadcast_element(llvm::Value* pointer);
  // With widens(): consecutive elements as lanes that multiply_add takes, f32 or, of bytes, integers; one element of the
  // dense operand; lanes that are full of such elements to the first ones, the second ones and so on.
  enum class Role : std::uint8_t { kDense, kWeights };
  [[nodiscard]] llvm::Value* load_widened(llvm::Value* pointer, Role role,
                                          llvm::Value* mask = nullptr);
  [[nodiscard]] llvm::Value* load_widened_element(llvm::Value* pointer);
  [[nodiscard]] Values split_widened(llvm::Value* lanes);
  // Consecutive bf16 as f32.
  [[nodiscard]] llvm::Value* load_bf16(llvm::Value* pointer, llvm::Value* mask = nullptr);
  // The low halves of 32-bit integers, side by side.
  void store_halves(llvm::Value* pointer, llvm::Value* integers, llvm::Value* mask = nullptr);
  // One element of the type that the kernel writes, as a float, and back.
  [[nodiscard]] llvm::Value* load_result_element(llvm::Value* pointer);
  void store_result_element(llvm::Value* pointer, llvm::Value* value);
  // One bf16 as a float.
  [[nodiscard]] llvm::Value* load_bf16_element(llvm::Value* pointer);
  // One float.
  [[nodiscard]] llvm::Value* load_float(llvm::Value* pointer) {
    return ir_.CreateLoad(ir_.getFloatTy(), pointer);
  }
  void store_float(llvm::Value* pointer, llvm::Value* value) { ir_.CreateStore(value, pointer); }
  // The sum of all lanes, halves added first.
  [[nodiscard]] llvm::Value* add_across(llvm::Value* vector);
  [[nodiscard]] llvm::Value* fma(llvm::Value* a, llvm::Value* b, llvm::Value* c);
  // sum + the products of lane's groups, a vector of them against a broadcast one (in this order: x86 folds the
  // broadcast from memory).
  [[nodiscard]] llvm::Value* multiply_add(llvm::Value* vector, llvm::Value* scalar,
                                          llvm::Value* sum);
  // With shifts_dense(): groups of signed bytes of B as the shifted ones; what the shift adds to a sum, and the negative
  // of that.
  [[nodiscard]] llvm::Value* shift_bytes(llvm::Value* groups);
  [[nodiscard]] llvm::Value* add_shifts(llvm::Value* weights, llvm::Value* sums);
  [[nodiscard]] llvm::Value* negated_integers(llvm::Value* lanes);
  // Sums of products as what the way into C works on: f32, to which sums of integers are converted, or with results of
  // s32 lanes of integers.
  [[nodiscard]] llvm::Value* finished_sums(llvm::Value* sums);
  [[nodiscard]] llvm::Value* add_results(llvm::Value* a, llvm::Value* b);
  // Two sums of products, before that.
  [[nodiscard]] llvm::Value* add_sums(llvm::Value* a, llvm::Value* b);
  // Consecutive elements of the type that the kernel writes, as such lanes, and back.
  [[nodiscard]] llvm::Value* load_result(llvm::Value* pointer, llvm::Value* mask = nullptr);
  void store_result(llvm::Value* pointer, llvm::Value* vector, llvm::Value* mask = nullptr);
  // Lanes of bf16 pairs to the first and the second elements as f32, and back.
  [[nodiscard]] std::pair<llvm::Value*, llvm::Value*> split_pairs(llvm::Value* pairs);
  [[nodiscard]] llvm::Value* join_pairs(llvm::Value* first, llvm::Value* second);
  // Lane i: the group of elements i of the given rows, from `lanes` consecutive elements of each; where there are fewer
  // rows than a group takes, it ends in zeros.
  [[nodiscard]] llvm::Value* load_groups(const Values& rows, llvm::Value* mask = nullptr);
  [[nodiscard]] llvm::Value* fadd(llvm::Value* a, llvm::Value* b) { return ir_.CreateFAdd(a, b); }
  [[nodiscard]] llvm::Value* max_zero(llvm::Value* a);
  // Lanes [0, count) on; count is i64 and may exceed the lanes or be negative.
  [[nodiscard]] llvm::Value* mask_below(llvm::Value* count);
  // Lanes [count, lanes) on.
  [[nodiscard]] llvm::Value* mask_from(llvm::Value* count);
  [[nodiscard]] llvm::Value* mask_and(llvm::Value* a, llvm::Value* b) {
    return a && b ? ir_.CreateAnd(a, b) : (a ? a : b);
  }

  // --- weights, as they are stored (codebook.cpp where they are indices) ---
  // One to all lanes / those of `lanes` consecutive rows.
  [[nodiscard]] llvm::Value* broadcast_weight(llvm::Value* pointer);
  [[nodiscard]] llvm::Value* load_weights(llvm::Value* pointer);

  // --- control flow ---
  using LoopBody = std::function<Values(llvm::Value* iv, const Values& carried)>;
  enum class Trip { kMayBeZero, kAtLeastOne };
  // for (iv = begin; iv < end; iv += step) carried = body(iv, carried); returns the last carried values.
  Values loop(llvm::Value* begin, llvm::Value* end, std::int64_t step, const Values& carried,
              Trip trip, const LoopBody& body);
  void if_then(llvm::Value* condition, const std::function<void()>& then);
  // body as if the call were for columns [begin, end) only.
  void narrow_to_columns(llvm::Value* begin, llvm::Value* end, const std::function<void()>& body);

 private:
  void load_arguments();
  llvm::FixedVectorType* integers(unsigned bits, int count);
  llvm::Value* look_up(llvm::Value* indices);
  llvm::Value* load_narrow(llvm::Value* pointer, unsigned bits, llvm::Value* mask);
  void store_narrow(llvm::Value* pointer, llvm::Value* narrow, llvm::Value* mask);
  llvm::Value* multiply_add_bf16(llvm::Value* vector, llvm::Value* scalar, llvm::Value* sum);
  llvm::Value* multiply_add_bytes(llvm::Value* unsigned_bytes, llvm::Value* signed_bytes,
                                  llvm::Value* sum);
  llvm::Value* multiply_add_words(llvm::Value* vector, llvm::Value* scalar, llvm::Value* sum);
  llvm::Value* add_integers(llvm::Value* a, llvm::Value* b);
  llvm::Value* widened_byte(llvm::Value* byte, llvm::Type* wide, DType type, Role role);
  llvm::Value* round_to_bf16(llvm::Value* vector);

  const KernelSpec& spec_;
  const Target& target_;
  llvm::IRBuilder<> ir_;
  int lanes_;
  llvm::FixedVectorType* vector_type_;
  llvm::Function* function_ = nullptr;
  ConstantTable constants_;
  KernelArgValues args_{};
};

}  // namespace lacuna
