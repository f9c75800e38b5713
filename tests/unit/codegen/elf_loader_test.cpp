// SPDX-License-Identifier: Apache-2.0
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <elf.h>
#include <fstream>
#include <ios>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "codegen/kernel.h"
#include "targets/base/result.h"
#include "tests/unit/codegen/test_object.h"

namespace lacuna {
namespace {

using test::code;
using test::constant_returner;
using test::ObjectBuilder;

Result<LoadedKernel> load(const ObjectBuilder& builder) {
  return LoadedKernel::load({"kernel", builder.build()});
}

void expect_error(const ObjectBuilder& builder, ErrorCode error_code, const std::string& message) {
  const auto loaded = load(builder);
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().code, error_code);
  EXPECT_EQ(loaded.error().message, message);
}

int call(const LoadedKernel& kernel) {
  return reinterpret_cast<int (*)()>(kernel.address())();
}

#if defined(__x86_64__)

// Permissions of the mapping that holds an address, e.g. "r-xp".
std::string permissions_of(const void* address) {
  std::ifstream maps("/proc/self/maps");
  std::string line;
  while (std::getline(maps, line)) {
    std::istringstream in(line);
    std::uintptr_t begin = 0, end = 0;
    char dash = 0;
    std::string permissions;
    in >> std::hex >> begin >> dash >> end >> permissions;
    const auto a = reinterpret_cast<std::uintptr_t>(address);
    if (a >= begin && a < end) return permissions;
  }
  return "unmapped";
}

TEST(ElfLoader, RunsAFunctionThatReadsAConstant) {
  const auto kernel = load(constant_returner());
  ASSERT_TRUE(kernel) << kernel.error().message;
  EXPECT_EQ(call(*kernel), 7);
  EXPECT_EQ(kernel->code_bytes(), 7U);
}

TEST(ElfLoader, NeverMapsMemoryWritableAndExecutable) {
  const auto kernel = load(constant_returner());
  ASSERT_TRUE(kernel) << kernel.error().message;
  EXPECT_EQ(permissions_of(kernel->address()), "r-xp");
  const auto* const text = static_cast<const std::byte*>(kernel->address());
  std::int32_t displacement = 0;
  std::memcpy(&displacement, text + 2, sizeof displacement);
  EXPECT_EQ(permissions_of(text + 6 + displacement), "r--p");
}

TEST(ElfLoader, MoveTransfersTheMapping) {
  auto first = load(constant_returner());
  ASSERT_TRUE(first) << first.error().message;
  LoadedKernel second = std::move(*first);
  EXPECT_EQ(first->address(), nullptr);
  EXPECT_EQ(call(second), 7);
  auto third = load(constant_returner());
  ASSERT_TRUE(third) << third.error().message;
  *third = std::move(second);
  EXPECT_EQ(call(*third), 7);
}

TEST(ElfLoader, UnmapsOnDestruction) {
  const void* address = nullptr;
  {
    const auto kernel = load(constant_returner());
    ASSERT_TRUE(kernel) << kernel.error().message;
    address = kernel->address();
  }
  EXPECT_NE(permissions_of(address), "r-xp");
}

TEST(ElfLoader, RelocatesACallBetweenSections) {
  ObjectBuilder builder;
  const auto text = builder.add_text(code({0xE8, 0, 0, 0, 0, 0xC3}));  // call x; ret
  const auto other =
      builder.add_section(".text.other", SHT_PROGBITS, SHF_ALLOC | SHF_EXECINSTR,
                          code({0x90, 0xB8, 9, 0, 0, 0, 0xC3}));  // nop; mov eax, 9; ret
  builder.add_symbol("kernel", text, 0);
  builder.add_relocation(text, 1, R_X86_64_PLT32, builder.add_symbol("other", other, 1), -4);
  const auto kernel = load(builder);
  ASSERT_TRUE(kernel) << kernel.error().message;
  EXPECT_EQ(call(*kernel), 9);
}

TEST(ElfLoader, RelocatesPointersInConstants) {
  ObjectBuilder builder;
  // mov rax, [rip + pointer]; mov eax, [rax]; ret
  const auto text = builder.add_text(code({0x48, 0x8B, 0x05, 0, 0, 0, 0, 0x8B, 0x00, 0xC3}));
  const auto constants = builder.add_constants(code({1, 0, 0, 0, 42, 0, 0, 0}), ".rodata");
  const auto pointers = builder.add_section(".data.rel.ro", SHT_PROGBITS, SHF_ALLOC | SHF_WRITE,
                                            std::string(16, '\0'), 8);
  builder.add_symbol("kernel", text, 0);
  const auto constant = builder.add_symbol("", constants, 0, STB_LOCAL, STT_SECTION);
  const auto pointer = builder.add_symbol("", pointers, 0, STB_LOCAL, STT_SECTION);
  builder.add_relocation(text, 3, R_X86_64_PC32, pointer, 8 - 4);
  builder.add_relocation(pointers, 8, R_X86_64_64, constant, 4);
  const auto kernel = load(builder);
  ASSERT_TRUE(kernel) << kernel.error().message;
  EXPECT_EQ(call(*kernel), 42);
}

TEST(ElfLoader, RelocatesWideRelativeOffsets) {
  ObjectBuilder builder;
  // mov rax, [rip + x]; ret
  const auto text = builder.add_text(code({0x48, 0x8B, 0x05, 0, 0, 0, 0, 0xC3}));
  const auto constants = builder.add_constants(std::string(8, '\0'), ".rodata");
  const auto base = builder.add_symbol("kernel", text, 0);
  const auto constant = builder.add_symbol("", constants, 0, STB_LOCAL, STT_SECTION);
  builder.add_relocation(text, 3, R_X86_64_PC32, constant, -4);
  builder.add_relocation(constants, 0, R_X86_64_PC64, base, 0);  // kernel - constants
  const auto kernel = load(builder);
  ASSERT_TRUE(kernel) << kernel.error().message;
  const auto* const start = static_cast<const std::byte*>(kernel->address());
  std::int32_t to_constants = 0;
  std::memcpy(&to_constants, start + 3, sizeof to_constants);
  EXPECT_EQ(reinterpret_cast<std::int64_t (*)()>(kernel->address())(),
            -(7 + std::int64_t{to_constants}));
}

TEST(ElfLoader, IgnoresNotesUnwindTablesAndDebugInformation) {
  ObjectBuilder builder = constant_returner();
  builder.add_section(".note.gnu.property", SHT_NOTE, SHF_ALLOC, std::string(32, 'n'));
  const auto frames =
      builder.add_section(".eh_frame", SHT_X86_64_UNWIND, SHF_ALLOC, std::string(32, 'e'));
  builder.add_relocation(frames, 1000, R_X86_64_NUM, 1000, 0);
  builder.add_section(".comment", SHT_PROGBITS, 0, "made by hand");
  builder.add_section(".data", SHT_PROGBITS, SHF_ALLOC | SHF_WRITE, "");
  builder.add_section(".bss", SHT_NOBITS, SHF_ALLOC | SHF_WRITE, "");
  const auto kernel = load(builder);
  ASSERT_TRUE(kernel) << kernel.error().message;
  EXPECT_EQ(call(*kernel), 7);
}

TEST(ElfLoader, RejectsAddressesThatDoNotFit32Bits) {
  for (const std::uint32_t type : {R_X86_64_32, R_X86_64_32S}) {
    ObjectBuilder builder = constant_returner();
    builder.add_relocation(1, 2, type, 2, std::int64_t{1} << 40);
    expect_error(builder, ErrorCode::kInvalidFile,
                 "malformed object: relocation does not fit 32 bits");
  }
  ObjectBuilder builder = constant_returner();
  builder.add_relocation(1, 2, R_X86_64_PC32, 2, std::int64_t{1} << 33);
  expect_error(builder, ErrorCode::kInvalidFile,
               "malformed object: relocation does not fit 32 bits");
}

TEST(ElfLoader, RejectsAnUndefinedSymbol) {
  ObjectBuilder builder = constant_returner();
  builder.add_relocation(1, 2, R_X86_64_PLT32, builder.add_symbol("memcpy", SHN_UNDEF, 0), -4);
  expect_error(builder, ErrorCode::kInvalidFile, "malformed object: undefined symbol 'memcpy'");
}

TEST(ElfLoader, RejectsAnUnknownRelocation) {
  ObjectBuilder builder = constant_returner();
  builder.add_relocation(1, 2, R_X86_64_GOTPCREL, 2, -4);
  expect_error(builder, ErrorCode::kInvalidFile, "malformed object: unknown relocation type 9");
}

TEST(ElfLoader, RejectsARelocationOutsideItsSection) {
  for (const std::uint64_t offset : {std::uint64_t{4}, std::uint64_t{7}, ~std::uint64_t{0}}) {
    ObjectBuilder builder = constant_returner();
    builder.add_relocation(1, offset, R_X86_64_PC32, 2, 0);
    expect_error(builder, ErrorCode::kInvalidFile,
                 "malformed object: relocation outside its section");
  }
}

TEST(ElfLoader, RejectsABadSymbol) {
  ObjectBuilder index = constant_returner();
  index.add_relocation(1, 2, R_X86_64_PC32, 99, 0);
  expect_error(index, ErrorCode::kInvalidFile, "malformed object: symbol index");
  ObjectBuilder section = constant_returner();
  section.add_relocation(1, 2, R_X86_64_PC32, section.add_symbol("x", 77, 0), 0);
  expect_error(section, ErrorCode::kInvalidFile, "malformed object: section index of a symbol");
  ObjectBuilder value = constant_returner();
  value.add_relocation(1, 2, R_X86_64_PC32, value.add_symbol("x", 2, 5), 0);
  expect_error(value, ErrorCode::kInvalidFile,
               "malformed object: symbol outside code and constants");
  ObjectBuilder unplaced = constant_returner();
  const auto comment = unplaced.add_section(".comment", SHT_PROGBITS, 0, "text");
  unplaced.add_relocation(1, 2, R_X86_64_PC32, unplaced.add_symbol("x", comment, 0), 0);
  expect_error(unplaced, ErrorCode::kInvalidFile,
               "malformed object: symbol outside code and constants");
}

TEST(ElfLoader, RejectsWritableAndZeroInitialisedData) {
  ObjectBuilder data = constant_returner();
  data.add_section(".data", SHT_PROGBITS, SHF_ALLOC | SHF_WRITE, "state");
  expect_error(data, ErrorCode::kInvalidFile,
               "malformed object: section '.data' is not code or constants");
  ObjectBuilder zeros = constant_returner();
  zeros.add_section(".bss", SHT_NOBITS, SHF_ALLOC | SHF_WRITE, "state");
  expect_error(zeros, ErrorCode::kInvalidFile,
               "malformed object: section '.bss' is not code or constants");
  ObjectBuilder tls = constant_returner();
  tls.add_section(".tdata", SHT_PROGBITS, SHF_ALLOC | SHF_TLS, "state");
  expect_error(tls, ErrorCode::kInvalidFile,
               "malformed object: section '.tdata' is not code or constants");
}

TEST(ElfLoader, RejectsAnAlignmentBeyondAPage) {
  for (const std::uint64_t alignment : {std::uint64_t{3}, std::uint64_t{1} << 40}) {
    ObjectBuilder builder = constant_returner();
    builder.add_section(".rodata", SHT_PROGBITS, SHF_ALLOC, "x", alignment);
    expect_error(builder, ErrorCode::kInvalidFile, "malformed object: section alignment");
  }
}

TEST(ElfLoader, ReportsAMissingFunction) {
  const auto loaded = LoadedKernel::load({"other", constant_returner().build()});
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().code, ErrorCode::kNotFound);
  EXPECT_EQ(loaded.error().message, "the object has no function 'other'");
}

TEST(ElfLoader, ReportsAFunctionOutsideTheCode) {
  ObjectBuilder builder;
  builder.add_symbol("kernel", builder.add_text(code({0xC3})), 1);
  expect_error(builder, ErrorCode::kInvalidFile,
               "malformed object: the kernel's symbol is outside the code");
}

TEST(ElfLoader, ReportsAnObjectWithoutCode) {
  ObjectBuilder builder;
  builder.add_constants("x");
  expect_error(builder, ErrorCode::kInvalidFile, "malformed object: no code");
}

TEST(ElfLoader, ReportsAnObjectOfAnotherMachine) {
  ObjectBuilder builder = constant_returner();
  builder.set_machine(EM_AARCH64);
  expect_error(builder, ErrorCode::kUnsupported,
               "the object is for ELF machine 183, this process runs machine 62");
}

// Each field of the ELF header that the loader reads, with a value that breaks it.
struct HeaderFault {
  const char* name;
  std::size_t offset;
  std::uint64_t value;
  std::size_t bytes;
  const char* message;
};

class ElfHeaderFault : public testing::TestWithParam<HeaderFault> {};

TEST_P(ElfHeaderFault, IsReported) {
  const HeaderFault& fault = GetParam();
  CompiledKernel kernel{"kernel", constant_returner().build()};
  std::memcpy(kernel.object.data() + fault.offset, &fault.value, fault.bytes);
  const auto loaded = LoadedKernel::load(kernel);
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().code, ErrorCode::kInvalidFile);
  EXPECT_EQ(loaded.error().message, std::string("malformed object: ") + fault.message);
}

INSTANTIATE_TEST_SUITE_P(
    ElfLoader, ElfHeaderFault,
    testing::Values(HeaderFault{"Magic", 0, 0, 1, "no ELF magic"},
                    HeaderFault{"Class", EI_CLASS, ELFCLASS32, 1, "not 64-bit little-endian"},
                    HeaderFault{"Type", offsetof(Elf64_Ehdr, e_type), ET_DYN, 2, "not relocatable"},
                    HeaderFault{"TableOffset", offsetof(Elf64_Ehdr, e_shoff), ~0ULL, 8,
                                "section table outside the file"},
                    HeaderFault{"EntrySize", offsetof(Elf64_Ehdr, e_shentsize), 1, 2,
                                "section header size"},
                    HeaderFault{"NoSections", offsetof(Elf64_Ehdr, e_shnum), 0, 2, "section count"},
                    HeaderFault{"ManySections", offsetof(Elf64_Ehdr, e_shnum), 60000, 2,
                                "section table outside the file"},
                    HeaderFault{"NameTable", offsetof(Elf64_Ehdr, e_shstrndx), 999, 2,
                                "section name table index"}),
    [](const auto& test) { return std::string(test.param.name); });

TEST(ElfLoader, RejectsEveryTruncation) {
  const std::vector<std::byte> whole = constant_returner().build();
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const auto loaded = LoadedKernel::load(
        {"kernel", {whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)}});
    ASSERT_FALSE(loaded) << size;
    EXPECT_EQ(loaded.error().code, ErrorCode::kInvalidFile);
  }
}

#else

TEST(ElfLoader, ReportsAnObjectOfAnotherMachine) {
  const auto loaded = load(constant_returner());
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().code, ErrorCode::kUnsupported);
}

#endif

}  // namespace
}  // namespace lacuna
