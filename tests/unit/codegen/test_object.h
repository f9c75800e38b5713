// SPDX-License-Identifier: Apache-2.0
//
// ObjectBuilder: small relocatable ELF objects written by hand, so that tests of the loader need no compiler.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <elf.h>
#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

namespace lacuna::test {

class ObjectBuilder {
 public:
  ObjectBuilder() { add_section("", SHT_NULL, 0, {}); }

  // Returns the section's index.
  std::uint16_t add_section(const std::string& name, std::uint32_t type, std::uint64_t flags,
                            std::string content, std::uint64_t alignment = 16) {
    Elf64_Shdr header{};
    header.sh_name = intern(section_names_, name);
    header.sh_type = type;
    header.sh_flags = flags;
    header.sh_addralign = alignment;
    sections_.push_back({header, std::move(content)});
    return static_cast<std::uint16_t>(sections_.size() - 1);
  }
  std::uint16_t add_text(std::string code) {
    return add_section(".text", SHT_PROGBITS, SHF_ALLOC | SHF_EXECINSTR, std::move(code));
  }
  std::uint16_t add_constants(std::string bytes, const std::string& name = ".rodata.cst4") {
    return add_section(name, SHT_PROGBITS, SHF_ALLOC, std::move(bytes));
  }

  // Returns the symbol's index.
  std::uint32_t add_symbol(const std::string& name, std::uint16_t section, std::uint64_t value,
                           unsigned char bind = STB_GLOBAL, unsigned char type = STT_FUNC) {
    Elf64_Sym symbol{};
    symbol.st_name = intern(symbol_names_, name);
    symbol.st_info = ELF64_ST_INFO(bind, type);
    symbol.st_shndx = section;
    symbol.st_value = value;
    symbols_.push_back(symbol);
    return static_cast<std::uint32_t>(symbols_.size() - 1);
  }
  void add_relocation(std::uint16_t section, std::uint64_t offset, std::uint32_t type,
                      std::uint32_t symbol, std::int64_t addend) {
    relocations_.push_back({section, {offset, ELF64_R_INFO(std::uint64_t{symbol}, type), addend}});
  }
  void set_machine(std::uint16_t machine) { machine_ = machine; }

  // The object file: header, contents, section table.
  [[nodiscard]] std::vector<std::byte> build() const {
    std::vector<Section> sections = sections_;
    append_tables(sections);
    Elf64_Ehdr header{};
    std::memcpy(header.e_ident, ELFMAG, SELFMAG);
    header.e_ident[EI_CLASS] = ELFCLASS64;
    header.e_ident[EI_DATA] = ELFDATA2LSB;
    header.e_ident[EI_VERSION] = EV_CURRENT;
    header.e_type = ET_REL;
    header.e_machine = machine_;
    header.e_version = EV_CURRENT;
    header.e_ehsize = sizeof header;
    header.e_shentsize = sizeof(Elf64_Shdr);
    header.e_shnum = static_cast<std::uint16_t>(sections.size());
    header.e_shstrndx = static_cast<std::uint16_t>(sections.size() - 1);
    std::string file(sizeof header, '\0');
    for (Section& section : sections) {
      section.header.sh_offset = file.size();
      section.header.sh_size = section.content.size();
      file += section.content;
    }
    header.e_shoff = file.size();
    std::memcpy(file.data(), &header, sizeof header);
    for (const Section& section : sections)
      append(file, section.header);
    const auto* const bytes = reinterpret_cast<const std::byte*>(file.data());
    return {bytes, bytes + file.size()};
  }

 private:
  struct Section {
    Elf64_Shdr header;
    std::string content;
  };

  template <class T>
  static void append(std::string& bytes, const T& value) {
    bytes.append(reinterpret_cast<const char*>(&value), sizeof value);
  }
  static std::uint32_t intern(std::string& table, const std::string& text) {
    const auto offset = static_cast<std::uint32_t>(table.size());
    table += text;
    table += '\0';
    return offset;
  }
  static Section make_table(std::string& names, const char* name, std::uint32_t type,
                            std::string content) {
    Elf64_Shdr header{};
    header.sh_name = intern(names, name);
    header.sh_type = type;
    header.sh_addralign = 8;
    return {header, std::move(content)};
  }

  void append_tables(std::vector<Section>& sections) const {
    std::string names = section_names_, symbols, symbol_names = symbol_names_;
    for (const Elf64_Sym& symbol : symbols_)
      append(symbols, symbol);
    const auto symtab = static_cast<std::uint32_t>(sections.size());
    sections.push_back(make_table(names, ".symtab", SHT_SYMTAB, symbols));
    sections.back().header.sh_entsize = sizeof(Elf64_Sym);
    sections.back().header.sh_link = symtab + 1;
    sections.push_back(make_table(names, ".strtab", SHT_STRTAB, symbol_names));
    for (std::uint32_t target = 1; target < symtab; ++target) {
      std::string table;
      for (const auto& [section, rela] : relocations_)
        if (section == target) append(table, rela);
      if (table.empty()) continue;
      sections.push_back(make_table(names, ".rela", SHT_RELA, table));
      sections.back().header.sh_entsize = sizeof(Elf64_Rela);
      sections.back().header.sh_link = symtab;
      sections.back().header.sh_info = target;
    }
    Section own = make_table(names, ".shstrtab", SHT_STRTAB, {});
    own.content = names;
    sections.push_back(own);
  }

  std::vector<Section> sections_;
  std::vector<Elf64_Sym> symbols_{Elf64_Sym{}};
  std::vector<std::pair<std::uint16_t, Elf64_Rela>> relocations_;
  std::string section_names_, symbol_names_ = std::string(1, '\0');
  std::uint16_t machine_ = EM_X86_64;
};

// Machine code as bytes.
inline std::string code(std::initializer_list<unsigned char> bytes) {
  return {bytes.begin(), bytes.end()};
}

// `int kernel()`: returns the 32-bit constant at the start of a constant section (mov eax, [rip + x]; ret), 7 here.
inline ObjectBuilder constant_returner() {
  ObjectBuilder builder;
  const auto text = builder.add_text(code({0x8B, 0x05, 0, 0, 0, 0, 0xC3}));
  const auto constants = builder.add_constants(code({7, 0, 0, 0}));
  builder.add_symbol("kernel", text, 0);
  const auto constant = builder.add_symbol("", constants, 0, STB_LOCAL, STT_SECTION);
  builder.add_relocation(text, 2, R_X86_64_PC32, constant, -4);
  return builder;
}

}  // namespace lacuna::test
