# Stands in for Zephyr's build system: reads the configuration that Kconfig made, adds modules as their module.yml says, and
# builds an application for one of QEMU's MPS2 boards. Functions have the names and arguments of Zephyr's own.
project(Zephyr-Kernel LANGUAGES C ASM)

file(STRINGS ${DOT_CONFIG} lines REGEX "^CONFIG_[A-Z0-9_]+=")
foreach(line ${lines})
  string(REGEX MATCH "^([A-Z0-9_]+)=(.*)$" found "${line}")
  set(${CMAKE_MATCH_1} ${CMAKE_MATCH_2})
endforeach()

add_library(zephyr_interface INTERFACE)
set_property(GLOBAL PROPERTY ZEPHYR_LIBS "")

macro(zephyr_library_named name)
  set(ZEPHYR_CURRENT_LIBRARY ${name})
  add_library(${name} STATIC "")
  target_link_libraries(${name} PUBLIC zephyr_interface)
  set_property(GLOBAL APPEND PROPERTY ZEPHYR_LIBS ${name})
endmacro()

function(zephyr_library_sources source)
  target_sources(${ZEPHYR_CURRENT_LIBRARY} PRIVATE ${source} ${ARGN})
endfunction()

function(zephyr_library_compile_definitions item)
  target_compile_definitions(${ZEPHYR_CURRENT_LIBRARY} PRIVATE ${item} ${ARGN})
endfunction()

function(zephyr_include_directories)
  foreach(folder ${ARGV})
    get_filename_component(folder ${folder} ABSOLUTE)
    target_include_directories(zephyr_interface INTERFACE ${folder})
  endforeach()
endfunction()

list(APPEND ZEPHYR_EXTRA_MODULES ${EXTRA_ZEPHYR_MODULES})
foreach(module ${ZEPHYR_EXTRA_MODULES})
  get_filename_component(module ${module} ABSOLUTE)
  file(STRINGS ${module}/zephyr/module.yml cmake REGEX "^  cmake: ")
  string(REPLACE "  cmake: " "" cmake "${cmake}")
  get_filename_component(name ${module} NAME)
  add_subdirectory(${module}/${cmake} modules/${name})
endforeach()

add_executable(app ${SUPPORT}/bare_metal.c ${PROFILING}/bench_start.c)
target_include_directories(app PRIVATE ${PROFILING} ${CMAKE_CURRENT_LIST_DIR}/include)
get_property(libraries GLOBAL PROPERTY ZEPHYR_LIBS)
target_link_libraries(app PRIVATE ${libraries})
