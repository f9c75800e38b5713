// SPDX-License-Identifier: Apache-2.0
#include "codegen/llvm/pattern_object.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <llvm/ADT/SmallVector.h>
#include <llvm/ADT/StringRef.h>
#include <llvm/MC/MCAsmBackend.h>
#include <llvm/MC/MCAsmInfo.h>
#include <llvm/MC/MCCodeEmitter.h>
#include <llvm/MC/MCContext.h>
#include <llvm/MC/MCFixup.h>
#include <llvm/MC/MCInst.h>
#include <llvm/MC/MCInstBuilder.h>
#include <llvm/MC/MCInstPrinter.h>
#include <llvm/MC/MCInstrInfo.h>
#include <llvm/MC/MCObjectFileInfo.h>
#include <llvm/MC/MCObjectWriter.h>
#include <llvm/MC/MCRegisterInfo.h>
#include <llvm/MC/MCSectionELF.h>
#include <llvm/MC/MCStreamer.h>
#include <llvm/MC/MCSubtargetInfo.h>
#include <llvm/MC/MCSymbol.h>
#include <llvm/MC/TargetRegistry.h>
#include <llvm/Support/raw_ostream.h>
#include <llvm/Target/TargetMachine.h>

#include "targets/base/result.h"
#include "templates/pattern_code.h"

namespace lacuna {
namespace {

// LLVM installs no header with the numbers of instructions and registers, but their names: each is looked up once.
struct Opcodes {
  unsigned set_mask, zero, load, multiply_add, store, lea, add_number, add, multiply, clear_upper,
      ret;
};
struct NamedOpcode {
  llvm::StringRef name;
  unsigned Opcodes::* field;
};
constexpr std::array kOpcodes = {
    NamedOpcode{"KMOVWkr", &Opcodes::set_mask},
    NamedOpcode{"VPXORDZrr", &Opcodes::zero},
    NamedOpcode{"VMOVUPSZrmkz", &Opcodes::load},
    NamedOpcode{"VFMADD231PSZmb", &Opcodes::multiply_add},
    NamedOpcode{"VMOVUPSZmrk", &Opcodes::store},
    NamedOpcode{"LEA64r", &Opcodes::lea},
    NamedOpcode{"ADD64ri32", &Opcodes::add_number},
    NamedOpcode{"ADD64rr", &Opcodes::add},
    NamedOpcode{"IMUL64rri32", &Opcodes::multiply},
    NamedOpcode{"VZEROUPPER", &Opcodes::clear_upper},
    NamedOpcode{"RET64", &Opcodes::ret},
};

// Where things are: the arguments as the calling convention puts them, and only registers that are the caller's to save,
// so that no panel needs a stack.
struct Registers {
  unsigned weights, b, row, c, row_of_c,
      lanes;                     // arguments; row: bytes from a row of B to the next
  unsigned rows3, rows5, rows7;  // bytes of so many rows; rows7 replaces `lanes`
  unsigned steps, mask;
  std::array<unsigned, 32> vectors;
};
struct NamedRegister {
  llvm::StringRef name;
  unsigned Registers::* field;
};
constexpr std::array kRegisters = {
    NamedRegister{"RDI", &Registers::weights}, NamedRegister{"RSI", &Registers::b},
    NamedRegister{"RDX", &Registers::row},     NamedRegister{"RCX", &Registers::c},
    NamedRegister{"R8", &Registers::row_of_c}, NamedRegister{"R9D", &Registers::lanes},
    NamedRegister{"R10", &Registers::rows3},   NamedRegister{"R11", &Registers::rows5},
    NamedRegister{"R9", &Registers::rows7},    NamedRegister{"RAX", &Registers::steps},
    NamedRegister{"K1", &Registers::mask},
};

Result<Opcodes> find_opcodes(const llvm::MCInstrInfo& instructions) {
  Opcodes found{};
  for (unsigned i = 0; i < instructions.getNumOpcodes(); ++i)
    for (const NamedOpcode& named : kOpcodes)
      if (instructions.getName(i) == named.name) found.*named.field = i;
  for (const NamedOpcode& named : kOpcodes)
    if (found.*named.field == 0)
      return make_error(ErrorCode::kCompile, "LLVM has no instruction {}", named.name.str());
  return found;
}

Result<Registers> find_registers(const llvm::MCRegisterInfo& registers) {
  Registers found{};
  for (unsigned i = 1; i < registers.getNumRegs(); ++i) {
    const llvm::StringRef name = registers.getName(i);
    for (const NamedRegister& named : kRegisters)
      if (name == named.name) found.*named.field = i;
    llvm::StringRef number = name;
    unsigned vector = 0;
    if (number.consume_front("ZMM") && !number.getAsInteger(10, vector) && vector < 32)
      found.vectors[vector] = i;
  }
  for (const NamedRegister& named : kRegisters)
    if (found.*named.field == 0)
      return make_error(ErrorCode::kCompile, "LLVM has no register {}", named.name.str());
  for (std::size_t i = 0; i < found.vectors.size(); ++i)
    if (found.vectors[i] == 0)
      return make_error(ErrorCode::kCompile, "LLVM has no register ZMM{}", i);
  return found;
}

// base + scale * index + displacement; no index: 0.
struct Address {
  unsigned base, scale, index;
  std::int64_t displacement;
};

llvm::MCInstBuilder with_address(llvm::MCInstBuilder instruction, const Address& address) {
  return instruction.addReg(address.base)
      .addImm(address.scale)
      .addReg(address.index)
      .addImm(address.displacement)
      .addReg(0);
}

// What the instructions of panels become.
class Expander {
 public:
  static Result<Expander> make(const llvm::TargetMachine& machine) {
    LACUNA_TRY(const Opcodes opcodes, find_opcodes(*machine.getMCInstrInfo()));
    LACUNA_TRY(const Registers registers, find_registers(*machine.getMCRegisterInfo()));
    return Expander(opcodes, registers);
  }

  // Calls take(const llvm::MCInst&) for each.
  template <class Take>
  void expand(const PatternInstruction& i, const Take& take) const {
    const auto inst = [](unsigned opcode) { return llvm::MCInstBuilder(opcode); };
    const auto zmm = [&](std::int32_t number) {
      return r_.vectors[static_cast<std::size_t>(number)];
    };
    switch (i.op) {
      case PatternOp::kBegin:
        take(inst(o_.set_mask).addReg(r_.mask).addReg(r_.lanes));
        take(with_address(inst(o_.lea).addReg(r_.rows3), {r_.row, 2, r_.row, 0}));
        take(with_address(inst(o_.lea).addReg(r_.rows5), {r_.row, 4, r_.row, 0}));
        take(with_address(inst(o_.lea).addReg(r_.rows7), {r_.rows3, 4, r_.row, 0}));
        return;
      case PatternOp::kZero:
        take(inst(o_.zero).addReg(zmm(i.sum)).addReg(zmm(i.sum)).addReg(zmm(i.sum)));
        return;
      case PatternOp::kLoadRow:
        take(with_address(inst(o_.load).addReg(zmm(i.vector)).addReg(r_.mask), row_of_b(i.number)));
        return;
      case PatternOp::kMultiplyAdd:
        take(with_address(
            inst(o_.multiply_add).addReg(zmm(i.sum)).addReg(zmm(i.sum)).addReg(zmm(i.vector)),
            {r_.weights, 1, 0, i.number}));
        return;
      case PatternOp::kStepRows:
        step_rows(i.number, take);
        return;
      case PatternOp::kStepWeights:
        take(inst(o_.add_number).addReg(r_.weights).addReg(r_.weights).addImm(i.number));
        return;
      case PatternOp::kStore:
        take(with_address(inst(o_.store), {r_.c, 1, 0, 0}).addReg(r_.mask).addReg(zmm(i.sum)));
        return;
      case PatternOp::kNextRow:
        take(inst(o_.add).addReg(r_.c).addReg(r_.c).addReg(r_.row_of_c));
        return;
      case PatternOp::kReturn:  // vzeroupper: the caller may go on with code of shorter vectors
        take(inst(o_.clear_upper));
        take(inst(o_.ret));
        return;
    }
  }

 private:
  Expander(const Opcodes& opcodes, const Registers& registers) : o_(opcodes), r_(registers) {}

  // Eight rows without a displacement, which would be 32 bits wide, and whatever lies between two rows.
  [[nodiscard]] Address row_of_b(std::int64_t number) const {
    const std::array<Address, 8> rows = {{{r_.b, 1, 0, 0},
                                          {r_.b, 1, r_.row, 0},
                                          {r_.b, 2, r_.row, 0},
                                          {r_.b, 1, r_.rows3, 0},
                                          {r_.b, 4, r_.row, 0},
                                          {r_.b, 1, r_.rows5, 0},
                                          {r_.b, 2, r_.rows3, 0},
                                          {r_.b, 1, r_.rows7, 0}}};
    return rows.at(static_cast<std::size_t>(number));
  }

  template <class Take>
  void step_rows(std::int64_t steps, const Take& take) const {
    const auto inst = [](unsigned opcode) { return llvm::MCInstBuilder(opcode); };
    if (steps == 1) {
      take(with_address(inst(o_.lea).addReg(r_.b), {r_.b, 8, r_.row, 0}));
      return;
    }
    take(inst(o_.multiply).addReg(r_.steps).addReg(r_.row).addImm(8 * steps));
    take(inst(o_.add).addReg(r_.b).addReg(r_.b).addReg(r_.steps));
  }

  Opcodes o_;
  Registers r_;
};

// LLVM's context for one object.
struct Session {
  explicit Session(llvm::TargetMachine& used)
      : machine(used),
        context(used.getTargetTriple(), used.getMCAsmInfo(), used.getMCRegisterInfo(),
                used.getMCSubtargetInfo()),
        file(used.getTarget().createMCObjectFileInfo(context, true)) {
    context.setObjectFileInfo(file.get());
  }
  [[nodiscard]] std::unique_ptr<llvm::MCCodeEmitter> make_emitter() {
    return std::unique_ptr<llvm::MCCodeEmitter>(
        machine.getTarget().createMCCodeEmitter(*machine.getMCInstrInfo(), context));
  }

  llvm::TargetMachine& machine;
  llvm::MCContext context;
  std::unique_ptr<llvm::MCObjectFileInfo> file;
};

constexpr std::size_t kCodeLine = 64;

// Table and code. `code` grows by a panel at a time.
Result<llvm::SmallVector<char, 0>> encode(Session& session, const Expander& expander,
                                          const Pattern& pattern) {
  const auto emitter = session.make_emitter();
  const llvm::MCSubtargetInfo& subtarget = *session.machine.getMCSubtargetInfo();
  const auto panels = static_cast<std::size_t>(pattern.panels());
  // One entry more than panels: a function of no bytes would lie outside the code.
  llvm::SmallVector<char, 0> bytes((panels + 1) * sizeof(std::uint32_t), 0);
  llvm::SmallVector<llvm::MCFixup, 0> fixups;
  std::vector<PatternInstruction> code;
  for (std::size_t panel = 0; panel < panels; ++panel) {
    constexpr char kTrap = '\xCC';
    bytes.resize((bytes.size() + kCodeLine - 1) / kCodeLine * kCodeLine, kTrap);
    const auto begin = static_cast<std::uint32_t>(bytes.size());
    std::memcpy(bytes.data() + panel * sizeof begin, &begin, sizeof begin);
    make_panel_code(pattern, static_cast<std::int64_t>(panel), code);
    for (const PatternInstruction& instruction : code)
      expander.expand(instruction, [&](const llvm::MCInst& inst) {
        emitter->encodeInstruction(inst, bytes, fixups, subtarget);
      });
    if (static_cast<std::int64_t>(bytes.size()) > kMostPatternBytes)
      return make_error(ErrorCode::kCompile, "{} panels of {} have {} bytes, the limit is {}",
                        panel + 1, panels, bytes.size(), kMostPatternBytes);
  }
  if (!fixups.empty()) return make_error(ErrorCode::kInternal, "baked code has a relocation");
  return bytes;
}

}  // namespace

Result<std::vector<std::byte>> make_pattern_object(llvm::TargetMachine& machine,
                                                   const Pattern& pattern,
                                                   const std::string& name) {
  LACUNA_TRY(const Expander expander, Expander::make(machine));
  Session session(machine);
  LACUNA_TRY(const auto code, encode(session, expander, pattern));

  const llvm::Target& target = machine.getTarget();
  llvm::SmallVector<char, 0> object;
  llvm::raw_svector_ostream stream(object);
  std::unique_ptr<llvm::MCAsmBackend> backend(target.createMCAsmBackend(
      *machine.getMCSubtargetInfo(), *machine.getMCRegisterInfo(), machine.Options.MCOptions));
  std::unique_ptr<llvm::MCObjectWriter> writer = backend->createObjectWriter(stream);
  const std::unique_ptr<llvm::MCStreamer> streamer(target.createMCObjectStreamer(
      machine.getTargetTriple(), session.context, std::move(backend), std::move(writer),
      session.make_emitter(), *machine.getMCSubtargetInfo()));
  streamer->initSections(true, *machine.getMCSubtargetInfo());
  streamer->switchSection(session.file->getTextSection());
  streamer->emitCodeAlignment(llvm::Align(kCodeLine), machine.getMCSubtargetInfo());
  llvm::MCSymbol* const symbol = session.context.getOrCreateSymbol(name);
  streamer->emitSymbolAttribute(symbol, llvm::MCSA_Global);
  streamer->emitSymbolAttribute(symbol, llvm::MCSA_ELF_TypeFunction);
  streamer->emitLabel(symbol);
  streamer->emitBytes(llvm::StringRef(code.data(), code.size()));
  streamer->finish();

  const auto* const data = reinterpret_cast<const std::byte*>(object.data());
  return std::vector<std::byte>(data, data + object.size());
}

Result<std::string> list_panel(llvm::TargetMachine& machine, const Pattern& pattern,
                               std::int64_t panel) {
  LACUNA_TRY(const Expander expander, Expander::make(machine));
  constexpr unsigned kIntelSyntax = 1;
  const std::unique_ptr<llvm::MCInstPrinter> printer(machine.getTarget().createMCInstPrinter(
      machine.getTargetTriple(), kIntelSyntax, *machine.getMCAsmInfo(), *machine.getMCInstrInfo(),
      *machine.getMCRegisterInfo()));
  std::string text;
  llvm::raw_string_ostream stream(text);
  std::vector<PatternInstruction> code;
  make_panel_code(pattern, panel, code);
  for (const PatternInstruction& instruction : code)
    expander.expand(instruction, [&](const llvm::MCInst& inst) {
      printer->printInst(&inst, 0, "", *machine.getMCSubtargetInfo(), stream);
      stream << '\n';
    });
  return text;
}

}  // namespace lacuna
