"""The plugin's classes of instructions, on words as GNU as encodes them."""

import ctypes
import shutil
import subprocess

import pytest

from edgekit.devices.emulated.parts import SOURCE
from edgekit.profiling.counts import COUNTERS

STUBS = """
void qemu_plugin_register_vcpu_tb_trans_cb(void) {}
void qemu_plugin_tb_n_insns(void) {}
void qemu_plugin_tb_get_insn(void) {}
void qemu_plugin_register_vcpu_syscall_cb(void) {}
void qemu_plugin_insn_data(void) {}
void qemu_plugin_register_vcpu_tb_exec_inline(void) {}
"""
WORDS = (
    ("8b020020", "add x0, x1, x2", "integer", 0),
    ("528000a0", "mov w0, #0x5", "integer", 0),
    ("14000000", "b 8", "branch", 0),
    ("94000000", "bl c", "branch", 0),
    ("b4000000", "cbz x0, 10", "branch", 0),
    ("d53b4200", "mrs x0, nzcv", "branch", 0),
    ("f9400020", "ldr x0, [x1]", "load", 8),
    ("b9400420", "ldr w0, [x1, #4]", "load", 4),
    ("38401420", "ldrb w0, [x1], #1", "load", 1),
    ("b9800020", "ldrsw x0, [x1]", "load", 4),
    ("a94007e0", "ldp x0, x1, [sp]", "load", 16),
    ("294007e0", "ldp w0, w1, [sp]", "load", 8),
    ("3dc00020", "ldr q0, [x1]", "vector_load", 16),
    ("fc626820", "ldr d0, [x1, x2]", "vector_load", 8),
    ("bd400020", "ldr s0, [x1]", "vector_load", 4),
    ("ad400420", "ldp q0, q1, [x1]", "vector_load", 32),
    ("6d400420", "ldp d0, d1, [x1]", "vector_load", 16),
    ("4cdf7020", "ld1 {v0.16b}, [x1], #16", "vector_load", 16),
    ("4c402020", "ld1 {v0.16b-v3.16b}, [x1]", "vector_load", 64),
    ("0c408020", "ld2 {v0.8b, v1.8b}, [x1]", "vector_load", 16),
    ("4d40c820", "ld1r {v0.4s}, [x1]", "vector_load", 4),
    ("0d409020", "ld1 {v0.s}[1], [x1]", "vector_load", 4),
    ("4d408420", "ld1 {v0.d}[1], [x1]", "vector_load", 8),
    ("0d60c020", "ld2r {v0.8b, v1.8b}, [x1]", "vector_load", 2),
    ("885ffc20", "ldaxr w0, [x1]", "load", 4),
    ("c8dffc20", "ldar x0, [x1]", "load", 8),
    ("58000000", "ldr x0, 68", "load", 8),
    ("f9000020", "str x0, [x1]", "store", 8),
    ("79000420", "strh w0, [x1, #2]", "store", 2),
    ("a9bf07e0", "stp x0, x1, [sp, #-16]!", "store", 16),
    ("3d800020", "str q0, [x1]", "vector_store", 16),
    ("fc1f8020", "stur d0, [x1, #-8]", "vector_store", 8),
    ("4c007420", "st1 {v0.8h}, [x1]", "vector_store", 16),
    ("0d000c20", "st1 {v0.b}[3], [x1]", "vector_store", 1),
    ("889ffc20", "stlr w0, [x1]", "store", 4),
    ("4f82e020", "sdot v0.4s, v1.16b, v2.4b[0]", "vector_dot", 0),
    ("6e829420", "udot v0.4s, v1.16b, v2.16b", "vector_dot", 0),
    ("0e22c020", "smull v0.8h, v1.8b, v2.8b", "vector_multiply", 0),
    ("0e228020", "smlal v0.8h, v1.8b, v2.8b", "vector_multiply", 0),
    ("4f522020", "smlal2 v0.4s, v1.8h, v2.h[1]", "vector_multiply", 0),
    ("4e629420", "mla v0.8h, v1.8h, v2.8h", "vector_multiply", 0),
    ("4f821020", "fmla v0.4s, v1.4s, v2.s[0]", "vector_multiply", 0),
    ("4e22cc20", "fmla v0.4s, v1.4s, v2.4s", "vector_multiply", 0),
    ("6e22dc20", "fmul v0.4s, v1.4s, v2.4s", "vector_multiply", 0),
    ("1f020c20", "fmadd s0, s1, s2, s3", "vector_multiply", 0),
    ("1e220820", "fmul s0, s1, s2", "vector_multiply", 0),
    ("6ea2b420", "sqrdmulh v0.4s, v1.4s, v2.4s", "vector_multiply", 0),
    ("4e606820", "sadalp v0.4s, v1.8h", "vector", 0),
    ("4e22d420", "fadd v0.4s, v1.4s, v2.4s", "vector", 0),
    ("4ea28420", "add v0.4s, v1.4s, v2.4s", "vector", 0),
    ("4e226420", "smax v0.16b, v1.16b, v2.16b", "vector", 0),
    ("0e214820", "sqxtn v0.8b, v1.8h", "vector", 0),
    ("4e21a820", "fcvtns v0.4s, v1.4s", "vector", 0),
    ("4e040c20", "dup v0.4s, w1", "vector", 0),
    ("6e024020", "ext v0.16b, v1.16b, v2.16b, #8", "vector", 0),
    ("4f000400", "movi v0.4s, #0x0", "vector", 0),
    ("0e621020", "saddw v0.4s, v1.4s, v2.4h", "vector", 0),
)


@pytest.fixture(scope="module")
def classify(tmp_path_factory):
    """The plugin's function for one word, compiled for this machine with everything of QEMU's left empty."""
    if shutil.which("cc") is None:
        pytest.skip("no C compiler here: install gcc")
    folder = tmp_path_factory.mktemp("plugin")
    (folder / "stubs.c").write_text(STUBS)
    target = folder / "plugin.so"
    command = ["cc", "-shared", "-fPIC", "-Wall", "-Werror", "-Dstatic=", "-o", str(target), str(SOURCE), "stubs.c"]
    subprocess.run(command, check=True, cwd=folder)
    function = ctypes.CDLL(str(target)).classify
    function.restype = None

    def call(word):
        counted = (ctypes.c_uint64 * len(COUNTERS))()
        function(ctypes.c_uint32(word), counted)
        return {name: value for name, value in zip(COUNTERS, counted, strict=True) if value}

    return call


@pytest.mark.parametrize(("word", "text", "kind", "size"), WORDS, ids=[text for _, text, _, _ in WORDS])
def test_an_instruction_counts_in_its_class_with_the_bytes_that_it_moves(classify, word, text, kind, size):
    moved = {"load_bytes" if "load" in kind else "store_bytes": size} if size else {}
    assert classify(int(word, 16)) == {kind: 1, **moved}
