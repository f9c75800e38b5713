// SPDX-License-Identifier: Apache-2.0
//
// LoadedKernel::load: a loader for the relocatable ELF64 objects that the code generator makes.
//
// Written for this one job instead of using a JIT linker, so that a process whose kernels are cached needs no LLVM.
// Input is not trusted: the bytes may come from a cache file. Every offset, size, count and index is checked before
// use; nothing is executed here. Layout of the mapping: executable sections, then, on fresh pages, read-only ones.
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <elf.h>
#include <limits>
#include <optional>
#include <span>
#include <string_view>
#include <sys/mman.h>
#include <system_error>
#include <tl/expected.hpp>
#include <type_traits>
#include <unistd.h>
#include <utility>
#include <vector>

#include "codegen/kernel.h"
#include "targets/base/result.h"

namespace lacuna {
namespace {

// Kernels are at most Target::code_limit_bytes (64 KiB by default); this only stops absurd sizes.
constexpr std::uint64_t kMaxImageBytes = std::uint64_t{1} << 28;

#if defined(__x86_64__)
constexpr std::uint16_t kHostMachine = EM_X86_64;
#else
constexpr std::uint16_t kHostMachine = EM_NONE;  // no relocations of this machine are implemented
#endif

using Bytes = std::span<const std::byte>;

tl::unexpected<Error> malformed(std::string_view what) {
  return make_error(ErrorCode::kInvalidFile, "malformed object: {}", what);
}

// The part [offset, offset + size) of `bytes`, or nothing if it is not all inside.
std::optional<Bytes> slice(Bytes bytes, std::uint64_t offset, std::uint64_t size) {
  if (offset > bytes.size() || size > bytes.size() - offset) return std::nullopt;
  return bytes.subspan(static_cast<std::size_t>(offset), static_cast<std::size_t>(size));
}

// Copies entry `index` of a table of T. The caller has checked that it is inside. memcpy: nothing is aligned.
template <class T>
T entry(Bytes table, std::uint64_t index) {
  static_assert(std::is_trivially_copyable_v<T>);
  T value{};
  std::memcpy(&value, table.data() + index * sizeof(T), sizeof(T));
  return value;
}

// The NUL-terminated string at `offset` of a string table.
std::optional<std::string_view> string_at(Bytes strings, std::uint64_t offset) {
  if (offset >= strings.size()) return std::nullopt;
  const auto* const begin = reinterpret_cast<const char*>(strings.data()) + offset;
  const std::size_t room = strings.size() - static_cast<std::size_t>(offset);
  const void* const end = std::memchr(begin, 0, room);
  if (end == nullptr) return std::nullopt;
  return std::string_view(begin, static_cast<std::size_t>(static_cast<const char*>(end) - begin));
}

enum class Placement : std::uint8_t { kNone, kText, kReadOnly };

struct Section {
  Elf64_Shdr header{};
  std::string_view name;
  Bytes content;  // empty for sections without bytes in the file
  Placement placement = Placement::kNone;
  std::uint64_t image_offset = 0;  // of a placed section
};

struct ObjectFile {
  std::vector<Section> sections;
  Bytes symbols;  // Elf64_Sym each
  std::uint64_t symbol_count = 0;
  std::size_t symbol_table_index = 0;
  Bytes symbol_names;
  std::uint64_t text_bytes = 0;   // of the sections alone
  std::uint64_t text_end = 0;     // page-aligned end of the executable part of the image
  std::uint64_t image_bytes = 0;  // page-aligned
};

Result<Elf64_Ehdr> read_header(Bytes object) {
  if (object.size() < sizeof(Elf64_Ehdr)) return malformed("shorter than an ELF header");
  const auto header = entry<Elf64_Ehdr>(object, 0);
  if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0) return malformed("no ELF magic");
  if (header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_ident[EI_DATA] != ELFDATA2LSB)
    return malformed("not 64-bit little-endian");
  if (header.e_type != ET_REL) return malformed("not relocatable");
  if (header.e_machine != kHostMachine)
    return make_error(ErrorCode::kUnsupported,
                      "the object is for ELF machine {}, this process runs machine {}",
                      header.e_machine, kHostMachine);
  if (header.e_shentsize != sizeof(Elf64_Shdr)) return malformed("section header size");
  if (header.e_shnum == 0 || header.e_shnum >= SHN_LORESERVE) return malformed("section count");
  return header;
}

// Where a section goes. Notes and unwind tables are allocatable but of no use to a kernel.
Result<Placement> placement_of(const Section& section) {
  const Elf64_Shdr& h = section.header;
  const bool unwind = h.sh_type == SHT_X86_64_UNWIND || section.name.starts_with(".eh_frame");
  if ((h.sh_flags & SHF_ALLOC) == 0 || h.sh_type == SHT_NOTE || unwind || h.sh_size == 0)
    return Placement::kNone;
  if (h.sh_type != SHT_PROGBITS || (h.sh_flags & SHF_TLS) != 0 ||
      ((h.sh_flags & SHF_WRITE) != 0 && !section.name.starts_with(".data.rel.ro")))
    return make_error(ErrorCode::kInvalidFile,
                      "malformed object: section '{}' is not code or constants", section.name);
  return (h.sh_flags & SHF_EXECINSTR) != 0 ? Placement::kText : Placement::kReadOnly;
}

Result<> read_sections(Bytes object, const Elf64_Ehdr& header, ObjectFile& file) {
  const auto table =
      slice(object, header.e_shoff, std::uint64_t{header.e_shnum} * sizeof(Elf64_Shdr));
  if (!table) return malformed("section table outside the file");
  file.sections.resize(header.e_shnum);
  for (std::size_t i = 1; i < file.sections.size(); ++i) {
    Section& section = file.sections[i];
    section.header = entry<Elf64_Shdr>(*table, i);
    if (section.header.sh_type == SHT_NOBITS || section.header.sh_type == SHT_NULL) continue;
    const auto content = slice(object, section.header.sh_offset, section.header.sh_size);
    if (!content) return malformed("section outside the file");
    section.content = *content;
  }
  if (header.e_shstrndx >= file.sections.size()) return malformed("section name table index");
  const Bytes names = file.sections[header.e_shstrndx].content;
  for (std::size_t i = 1; i < file.sections.size(); ++i) {
    Section& section = file.sections[i];
    const auto name = string_at(names, section.header.sh_name);
    if (!name) return malformed("section name outside the name table");
    section.name = *name;
    LACUNA_TRY(section.placement, placement_of(section));
  }
  return {};
}

Result<> read_symbols(ObjectFile& file) {
  for (std::size_t i = 1; i < file.sections.size(); ++i) {
    const Section& section = file.sections[i];
    if (section.header.sh_type != SHT_SYMTAB) continue;
    if (section.header.sh_entsize != sizeof(Elf64_Sym) ||
        section.content.size() % sizeof(Elf64_Sym) != 0)
      return malformed("symbol size");
    if (section.header.sh_link >= file.sections.size()) return malformed("symbol name table index");
    file.symbols = section.content;
    file.symbol_count = section.content.size() / sizeof(Elf64_Sym);
    file.symbol_table_index = i;
    file.symbol_names = file.sections[section.header.sh_link].content;
    return {};
  }
  return malformed("no symbol table");
}

std::uint64_t round_up(std::uint64_t value, std::uint64_t alignment) {
  return (value + alignment - 1) & ~(alignment - 1);
}

// Appends the sections of one placement to the image.
Result<> lay_out(ObjectFile& file, Placement placement, std::uint64_t page_bytes) {
  for (Section& section : file.sections) {
    if (section.placement != placement) continue;
    const std::uint64_t alignment =
        section.header.sh_addralign == 0 ? 1 : section.header.sh_addralign;
    if ((alignment & (alignment - 1)) != 0 || alignment > page_bytes)
      return malformed("section alignment");
    section.image_offset = round_up(file.image_bytes, alignment);
    if (section.content.size() > kMaxImageBytes - section.image_offset)
      return malformed("larger than 256 MiB");
    file.image_bytes = section.image_offset + section.content.size();
    if (placement == Placement::kText) file.text_bytes += section.content.size();
  }
  file.image_bytes = round_up(file.image_bytes, page_bytes);
  return {};
}

Result<ObjectFile> parse_object(Bytes object) {
  LACUNA_TRY(const Elf64_Ehdr header, read_header(object));
  ObjectFile file;
  LACUNA_TRY_VOID(read_sections(object, header, file));
  LACUNA_TRY_VOID(read_symbols(file));
  const auto page_bytes = static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
  LACUNA_TRY_VOID(lay_out(file, Placement::kText, page_bytes));
  file.text_end = file.image_bytes;
  LACUNA_TRY_VOID(lay_out(file, Placement::kReadOnly, page_bytes));
  if (file.text_bytes == 0) return malformed("no code");
  return file;
}

// Address of a symbol once the image lies at `base`.
Result<std::uint64_t> symbol_address(const ObjectFile& file, std::uint64_t index,
                                     std::uint64_t base) {
  if (index >= file.symbol_count) return malformed("symbol index");
  const auto symbol = entry<Elf64_Sym>(file.symbols, index);
  if (symbol.st_shndx == SHN_ABS) return symbol.st_value;
  if (symbol.st_shndx == SHN_UNDEF)
    return make_error(ErrorCode::kInvalidFile, "malformed object: undefined symbol '{}'",
                      string_at(file.symbol_names, symbol.st_name).value_or("?"));
  if (symbol.st_shndx >= file.sections.size()) return malformed("section index of a symbol");
  const Section& section = file.sections[symbol.st_shndx];
  if (section.placement == Placement::kNone || symbol.st_value > section.content.size())
    return malformed("symbol outside code and constants");
  return base + section.image_offset + symbol.st_value;
}

template <class T>
Result<> patch(std::span<std::byte> target, std::uint64_t offset, std::uint64_t value) {
  if (offset > target.size() || sizeof(T) > target.size() - offset)
    return malformed("relocation outside its section");
  if constexpr (std::is_same_v<T, std::int32_t>) {
    const auto wide = static_cast<std::int64_t>(value);
    if (wide < std::numeric_limits<T>::min() || wide > std::numeric_limits<T>::max())
      return malformed("relocation does not fit 32 bits");
  } else if constexpr (std::is_same_v<T, std::uint32_t>) {
    if (value > std::numeric_limits<T>::max()) return malformed("relocation does not fit 32 bits");
  }
  const T narrow = static_cast<T>(value);
  std::memcpy(target.data() + offset, &narrow, sizeof narrow);
  return {};
}

// Formulas of the x86-64 psABI, table 4.9: S = symbol, A = addend, P = place. A direct call's PLT32 needs no PLT.
Result<> relocate_one(const ObjectFile& file, const Elf64_Rela& rela, std::span<std::byte> target,
                      std::uint64_t place, std::uint64_t base) {
  const auto type = ELF64_R_TYPE(rela.r_info);
  if (type == R_X86_64_NONE) return {};
  LACUNA_TRY(const std::uint64_t symbol, symbol_address(file, ELF64_R_SYM(rela.r_info), base));
  const std::uint64_t absolute = symbol + static_cast<std::uint64_t>(rela.r_addend);
  const std::uint64_t relative = absolute - (place + rela.r_offset);
  switch (type) {
    case R_X86_64_64:
      return patch<std::uint64_t>(target, rela.r_offset, absolute);
    case R_X86_64_PC64:
      return patch<std::uint64_t>(target, rela.r_offset, relative);
    case R_X86_64_32:
      return patch<std::uint32_t>(target, rela.r_offset, absolute);
    case R_X86_64_32S:
      return patch<std::int32_t>(target, rela.r_offset, absolute);
    case R_X86_64_PC32:
    case R_X86_64_PLT32:
      return patch<std::int32_t>(target, rela.r_offset, relative);
    default:
      return make_error(ErrorCode::kInvalidFile, "malformed object: unknown relocation type {}",
                        type);
  }
}

Result<> relocate(const ObjectFile& file, std::byte* image) {
  const auto base = reinterpret_cast<std::uintptr_t>(image);
  for (const Section& relocations : file.sections) {
    const Elf64_Shdr& h = relocations.header;
    if (h.sh_type != SHT_RELA && h.sh_type != SHT_REL) continue;
    if (h.sh_info >= file.sections.size()) return malformed("section index of relocations");
    const Section& section = file.sections[h.sh_info];
    if (section.placement == Placement::kNone) continue;
    if (h.sh_type == SHT_REL || h.sh_entsize != sizeof(Elf64_Rela) ||
        relocations.content.size() % sizeof(Elf64_Rela) != 0 ||
        h.sh_link != file.symbol_table_index)
      return malformed("relocation table");
    const std::span target(image + section.image_offset, section.content.size());
    for (std::uint64_t i = 0; i < relocations.content.size() / sizeof(Elf64_Rela); ++i)
      LACUNA_TRY_VOID(relocate_one(file, entry<Elf64_Rela>(relocations.content, i), target,
                                   base + section.image_offset, base));
  }
  return {};
}

// Offset in the image of the global function `name`.
Result<std::uint64_t> find_function(const ObjectFile& file, std::string_view name) {
  for (std::uint64_t i = 1; i < file.symbol_count; ++i) {
    const auto symbol = entry<Elf64_Sym>(file.symbols, i);
    if (ELF64_ST_BIND(symbol.st_info) != STB_GLOBAL || ELF64_ST_TYPE(symbol.st_info) != STT_FUNC ||
        symbol.st_shndx >= file.sections.size() ||
        string_at(file.symbol_names, symbol.st_name) != name)
      continue;
    const Section& section = file.sections[symbol.st_shndx];
    if (section.placement != Placement::kText || symbol.st_value >= section.content.size())
      return malformed("the kernel's symbol is outside the code");
    return section.image_offset + symbol.st_value;
  }
  return make_error(ErrorCode::kNotFound, "the object has no function '{}'", name);
}

tl::unexpected<Error> memory_error(const char* call, std::uint64_t bytes) {
  return make_error(ErrorCode::kIo, "{} of {} bytes for a kernel: {}", call, bytes,
                    std::generic_category().message(errno));
}

// Writable while it is filled, then executable or read-only: never both.
Result<> protect(std::byte* image, const ObjectFile& file) {
  if (mprotect(image, file.text_end, PROT_READ | PROT_EXEC) != 0)
    return memory_error("mprotect", file.text_end);
  const std::uint64_t rest = file.image_bytes - file.text_end;
  if (rest != 0 && mprotect(image + file.text_end, rest, PROT_READ) != 0)
    return memory_error("mprotect", rest);
  __builtin___clear_cache(reinterpret_cast<char*>(image),
                          reinterpret_cast<char*>(image + file.text_end));
  return {};
}

}  // namespace

Result<LoadedKernel> LoadedKernel::load(const CompiledKernel& kernel) {
  LACUNA_TRY(const ObjectFile file, parse_object(kernel.object));
  LACUNA_TRY(const std::uint64_t entry_offset, find_function(file, kernel.name));
  void* const mapping =
      mmap(nullptr, file.image_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapping == MAP_FAILED) return memory_error("mmap", file.image_bytes);
  LoadedKernel loaded;  // owns the mapping from here on
  loaded.mapping_ = mapping;
  loaded.mapping_bytes_ = static_cast<std::size_t>(file.image_bytes);
  auto* const image = static_cast<std::byte*>(mapping);
  for (const Section& section : file.sections)
    if (section.placement != Placement::kNone)
      std::memcpy(image + section.image_offset, section.content.data(), section.content.size());
  LACUNA_TRY_VOID(relocate(file, image));
  LACUNA_TRY_VOID(protect(image, file));
  loaded.address_ = image + entry_offset;
  loaded.code_bytes_ = static_cast<std::size_t>(file.text_bytes);
  return loaded;
}

LoadedKernel::LoadedKernel(LoadedKernel&& other) noexcept {
  *this = std::move(other);
}

LoadedKernel& LoadedKernel::operator=(LoadedKernel&& other) noexcept {
  std::swap(mapping_, other.mapping_);
  std::swap(mapping_bytes_, other.mapping_bytes_);
  std::swap(address_, other.address_);
  std::swap(code_bytes_, other.code_bytes_);
  return *this;
}

LoadedKernel::~LoadedKernel() {
  if (mapping_ != nullptr) munmap(mapping_, mapping_bytes_);
}

}  // namespace lacuna
