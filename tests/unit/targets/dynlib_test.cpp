// SPDX-License-Identifier: Apache-2.0
#include "targets/base/dynlib.h"

#include <cmath>
#include <filesystem>
#include <utility>

#include <gtest/gtest.h>

#include "targets/base/file.h"
#include "targets/base/result.h"
#include "tests/unit/targets/temp_folder.h"

namespace lacuna {
namespace {

TEST(DynLib, FindsAFunction) {
  auto library = DynLib::open("libm.so.6");
  ASSERT_TRUE(library) << library.error().message;
  const auto cosine = library->function<double(double)>("cos");
  ASSERT_TRUE(cosine) << cosine.error().message;
  EXPECT_EQ((*cosine)(0.0), 1.0);
}

TEST(DynLib, MovesOwnership) {
  auto library = DynLib::open("libm.so.6");
  ASSERT_TRUE(library);
  DynLib moved = std::move(*library);
  EXPECT_TRUE(moved.symbol("cos"));
  DynLib assigned;
  assigned = std::move(moved);
  EXPECT_TRUE(assigned.symbol("cos"));
}

TEST(DynLib, MissingSymbolNamesItAndTheLibrary) {
  const auto library = DynLib::open("libm.so.6");
  ASSERT_TRUE(library);
  const auto symbol = library->symbol("no_such_function");
  ASSERT_FALSE(symbol);
  EXPECT_EQ(symbol.error().code, ErrorCode::kNotFound);
  EXPECT_EQ(symbol.error().message, "no symbol no_such_function in libm.so.6");
}

TEST(DynLib, UnopenedLibraryHasNoSymbols) {
  const auto symbol = DynLib().symbol("cos");
  ASSERT_FALSE(symbol);
  EXPECT_EQ(symbol.error().message, "no symbol cos: no library is loaded");
}

TEST(DynLib, MissingAndCorruptLibrariesAreToldApart) {
  const auto missing = DynLib::open("/nowhere/liblacuna_none.so");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, ErrorCode::kNotFound);
  EXPECT_TRUE(
      missing.error().message.starts_with("cannot load library /nowhere/liblacuna_none.so: "));
  const testing::TempFolder folder;
  ASSERT_TRUE(write_file_atomic(folder / "corrupt.so", "not an object file"));
  const auto corrupt = DynLib::open(folder / "corrupt.so");
  ASSERT_FALSE(corrupt);
  EXPECT_EQ(corrupt.error().code, ErrorCode::kInvalidFile);
  EXPECT_EQ(DynLib::open("").error().message, "no library named");
}

TEST(FolderOfCode, FindsProgramAndLibrary) {
  const auto program = folder_of_code(reinterpret_cast<const void*>(&folder_of_code));
  ASSERT_TRUE(program) << program.error().message;
  EXPECT_EQ(*program, std::filesystem::canonical("/proc/self/exe").parent_path());
  const auto library = DynLib::open("libm.so.6");
  ASSERT_TRUE(library);
  const auto folder = folder_of_code(library->symbol("cos").value());
  ASSERT_TRUE(folder) << folder.error().message;
  EXPECT_TRUE(std::filesystem::exists(*folder / "libm.so.6"));
}

TEST(FolderOfCode, AddressOutsideAllCodeIsNotFound) {
  const int on_stack = 0;
  const auto folder = folder_of_code(&on_stack);
  ASSERT_FALSE(folder);
  EXPECT_EQ(folder.error().code, ErrorCode::kNotFound);
}

}  // namespace
}  // namespace lacuna
