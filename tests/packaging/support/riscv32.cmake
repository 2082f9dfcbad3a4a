# Toolchain file: RV32IMC, as of the ESP32-C3, for QEMU's user mode.
set(CMAKE_SYSTEM_NAME Generic)
set(CMAKE_SYSTEM_PROCESSOR riscv32)
set(CMAKE_C_COMPILER riscv64-unknown-elf-gcc)
set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)
set(CMAKE_C_FLAGS_INIT "-march=rv32imc -mabi=ilp32 -O2 -ffunction-sections -fdata-sections -ffreestanding -isystem ${CMAKE_CURRENT_LIST_DIR}/riscv -fno-tree-loop-distribute-patterns")
set(CMAKE_EXE_LINKER_FLAGS_INIT "-nostdlib -Wl,--gc-sections -Wl,--fatal-warnings")
link_libraries(gcc)
