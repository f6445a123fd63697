"""The keeper's floor."""

import ast
import subprocess
import sys
from pathlib import Path

from edgekit.devices.ssh import keeper


def test_it_is_python_3_9_and_needs_nothing_but_it():
    tree = ast.parse(Path(keeper.__file__).read_text(), feature_version=(3, 9))
    imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    imported |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    assert {name.split(".")[0] for name in imported} <= sys.stdlib_module_names


def test_what_talks_to_it_needs_no_system_like_its_own():
    unlike = "import signal, sys; sys.modules['fcntl'] = None; del signal.SIGALRM"
    subprocess.run([sys.executable, "-c", f"{unlike}; import edgekit.devices.drivers.ssh"], check=True)


def test_a_32_bit_python_on_a_64_bit_kernel_is_told_from_a_64_bit_one(monkeypatch):
    monkeypatch.setattr(keeper.platform, "machine", lambda: "aarch64")
    assert keeper.architecture() == "aarch64"
    monkeypatch.setattr(keeper.struct, "calcsize", lambda code: 4)
    assert keeper.architecture() == "armv7l"
