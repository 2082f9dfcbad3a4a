"""What a model costs on a core: instructions, estimated cycles, flash, RAM and error, measured under QEMU."""
