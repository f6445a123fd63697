import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from edgekit.deployment.pi.build import FILES

ALLOWED = {"numpy", "PIL", "ai_edge_litert", "tflite_runtime", "onnxruntime", "picamera2", "edgekit", "classify"}


def test_a_bundle_has_all_that_it_needs_in_less_than_107_kilobytes_beside_the_model(bundle: Path) -> None:
    sizes = {path.relative_to(bundle).as_posix(): path.stat().st_size for path in bundle.rglob("*") if path.is_file()}
    sizes = {name: size for name, size in sizes.items() if "__pycache__" not in name}
    assert {"app.py", "labels.txt", "requirements.txt", "install.sh", "README.md", "mnist-tiny.service"} <= set(sizes)
    assert sum(sizes.values()) - sizes["model.tflite"] <= 107_000


def test_labels_are_one_a_line_in_the_order_of_the_scores(bundle: Path) -> None:
    assert (bundle / "labels.txt").read_text().split("\n") == [*"0123456789", ""]


def test_each_runtime_has_its_own_requirements(bundle: Path, onnx_bundle: Path) -> None:
    assert "ai-edge-litert" in (bundle / "requirements.txt").read_text()
    assert "tflite-runtime==2.14.0" in (bundle / "requirements-32bit.txt").read_text()
    assert "onnxruntime" in (onnx_bundle / "requirements.txt").read_text()
    assert not (onnx_bundle / "requirements-32bit.txt").exists()


def test_no_name_is_left_to_be_filled_in(bundle: Path) -> None:
    readme, unit = (bundle / "README.md").read_text(), (bundle / "mnist-tiny.service").read_text()
    assert "$" not in readme
    assert "--host ${APP_HOST}" in unit
    assert "NoNewPrivileges=yes" in unit


def test_the_app_parses_on_python_3_9_and_imports_no_more_than_its_requirements(bundle: Path) -> None:
    modules = list(bundle.rglob("*.py"))
    assert len(modules) > 10
    for path in modules:
        tree = ast.parse(path.read_text(), feature_version=(3, 9))
        for node in ast.walk(tree):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.level == 0:
                names.append(node.module or "")
            for name in names:
                top = name.split(".")[0]
                assert top in ALLOWED or top in sys.stdlib_module_names, f"{path.name} imports {name}"


def test_importing_the_pictures_package_loads_neither_torch_nor_the_rest_of_edgekit() -> None:
    code = (
        "import sys, edgekit.inputs.contract, edgekit.inputs.tensors; "
        "print([name for name in sys.modules if name.startswith(('torch', 'onnx', 'edgekit')) "
        "and not name.startswith('edgekit.inputs')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['edgekit']"


@pytest.mark.parametrize("name", ["install.sh"])
def test_the_installer_is_a_shell_script_without_errors(name: str) -> None:
    subprocess.run(["sh", "-n", str(FILES / name)], check=True)


def test_the_installer_knows_one_option(bundle: Path) -> None:
    done = subprocess.run(["sh", str(bundle / "install.sh"), "--servise"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "no option '--servise'" in done.stderr


def test_the_service_is_that_of_the_model_and_begins_anew(bundle: Path, tmp_path: Path) -> None:
    app = Path(shutil.copytree(bundle, tmp_path / "app"))
    (app / "older.service").write_text("of a model that was here before")
    programs = {
        app / ".venv/bin/python": f'[ "$1" = -m ] || exec {sys.executable} "$@"',  # without pip
        tmp_path / "bin/id": "echo pi",
        tmp_path / "bin/sleep": "",
        tmp_path / "bin/systemctl": '[ -z "${BROKEN:-}" ]',
        tmp_path / "bin/sudo": 'echo "$@" >> "$CALLS"; [ "$1" != tee ] || cat >> "$CALLS"',
    }
    for path, script in programs.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
    calls = tmp_path / "calls"
    given = {"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}", "CALLS": str(calls)}
    command = ["sh", str(app / "install.sh"), "--service"]
    done = subprocess.run(command, env=given, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    said = calls.read_text()
    assert said.startswith("tee /etc/systemd/system/mnist-tiny.service\n")
    assert f"WorkingDirectory={app}\n" in said
    assert said.endswith("systemctl enable mnist-tiny.service\nsystemctl restart mnist-tiny.service\n")
    assert "started: systemctl status mnist-tiny.service" in done.stdout
    done = subprocess.run(command, env={**given, "BROKEN": "1"}, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "the service does not run; see why with: journalctl -u mnist-tiny.service" in done.stderr
