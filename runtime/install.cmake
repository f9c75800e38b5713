# SPDX-License-Identifier: Apache-2.0
# The installed package: library, headers, find_package(lacuna CONFIG), lacuna.pc. The code-generator plugin is a
# component of its own (codegen/CMakeLists.txt): a machine whose kernels are cached or bundled needs no compiler.
# Components: lacuna (library, target files), lacuna-dev, lacuna-codegen-llvm, lacuna-command (command, recipes).
include(CMakePackageConfigHelpers)

install(TARGETS lacuna EXPORT lacunaTargets
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT lacuna NAMELINK_COMPONENT lacuna-dev)
install(DIRECTORY include/lacuna DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT lacuna-dev
  FILES_MATCHING PATTERN "*.h" PATTERN "*.hpp")
install(EXPORT lacunaTargets NAMESPACE lacuna:: COMPONENT lacuna-dev
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/lacuna)

configure_package_config_file(lacunaConfig.cmake.in ${CMAKE_CURRENT_BINARY_DIR}/lacunaConfig.cmake
  INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/lacuna)
# 0.x: a minor version may break its callers.
write_basic_package_version_file(${CMAKE_CURRENT_BINARY_DIR}/lacunaConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/lacunaConfig.cmake ${CMAKE_CURRENT_BINARY_DIR}/lacunaConfigVersion.cmake
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/lacuna COMPONENT lacuna-dev)

# pkg-config finds the prefix from the place of the file (pcfiledir), so that the tree can be moved.
file(RELATIVE_PATH LACUNA_PC_PREFIX
  ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
configure_file(lacuna.pc.in ${CMAKE_CURRENT_BINARY_DIR}/lacuna.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/lacuna.pc
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT lacuna-dev)
