"""Boards that are not here: the real aarch64 runtimes under QEMU's user mode, with every instruction counted."""
