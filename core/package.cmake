# What `cmake --install` puts where Linux users expect it: programs, man pages, and the core as a
# library with headers under include/dashi, a CMake package (dashi::core) and a pkg-config file. Included last
# by the root, when all targets exist. The Python package installs itself (python/CMakeLists.txt).
include(CMakePackageConfigHelpers)

set(dashi_cmake_dir ${CMAKE_INSTALL_LIBDIR}/cmake/dashi)
install(TARGETS dashi_core EXPORT dashi-targets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(EXPORT dashi-targets NAMESPACE dashi:: DESTINATION ${dashi_cmake_dir})
foreach(room base wire env flow tcp udp icmp dns gateway nat)
  install(DIRECTORY ${PROJECT_SOURCE_DIR}/core/${room}
    DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/dashi/core FILES_MATCHING PATTERN "*.hh")
endforeach()

configure_package_config_file(${PROJECT_SOURCE_DIR}/core/dashi-config.cmake.in
  ${PROJECT_BINARY_DIR}/dashi-config.cmake INSTALL_DESTINATION ${dashi_cmake_dir})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/dashi-config-version.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/dashi-config.cmake ${PROJECT_BINARY_DIR}/dashi-config-version.cmake
  DESTINATION ${dashi_cmake_dir})

file(RELATIVE_PATH dashi_pc_to_prefix /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
configure_file(${PROJECT_SOURCE_DIR}/core/dashi.pc.in ${PROJECT_BINARY_DIR}/dashi.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/dashi.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

# The dashi program installs itself (core/linux/CMakeLists.txt).
if(TARGET dashi-lab)
  install(TARGETS dashi-lab RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
  install(FILES ${PROJECT_SOURCE_DIR}/sim/lab/dashi-lab.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
endif()
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
