from pathlib import Path

import pytest

from edgekit.deployment.deploy import Deployment, DeployOptions, deploy, targets
from edgekit.errors import ModelError, UnknownNameError


def test_a_target_is_found_by_its_folders_name(tmp_path: Path) -> None:
    assert "pi" in targets()
    with pytest.raises(UnknownNameError, match="did you mean 'pi'"):
        DeployOptions("mnist-tiny", "pie", tmp_path)


def test_a_deployment_says_what_was_written_and_what_to_type_next(tmp_path: Path, tflite: Path) -> None:
    folder = tmp_path / "my app"
    result = deploy(DeployOptions(str(tflite), "pi", folder, archive=True))
    assert result.files == {name: (folder / name).stat().st_size for name in result.files}
    assert {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()} == set(result.files)
    assert Path(result.archive).stat().st_size > 0
    assert result.to_dict()["runtime"] == "litert"
    printed = str(result)
    assert f"scp -r '{folder}/.' pi@raspberrypi.local:mnist-tiny\n" in printed  # with the dot never into a folder in it
    assert "ssh pi@raspberrypi.local 'cd mnist-tiny && ./install.sh'" in printed


def test_compressed_copies_stand_beside_their_file_and_are_not_added_to_it() -> None:
    files = {"app.js": 4000, "app.js.br": 1200, "app.js.gz": 1500, "icon.png": 700}
    shown = str(Deployment("web", "m.tflite", "", "litert", "runs/web", "", files, ()))
    rows = [line.split() for line in shown.splitlines()]
    assert ["file", "bytes", "gzip", "Brotli"] in rows
    assert ["app.js", "4,000", "1,500", "1,200"] in rows
    assert ["icon.png", "700", "700", "700"] in rows
    assert ["in", "all", "4,700", "2,200", "1,900"] in rows


def test_nothing_is_written_for_a_broken_model(tmp_path: Path) -> None:
    broken = tmp_path / "broken.tflite"
    broken.write_bytes(b"not a model")
    with pytest.raises(ModelError):
        deploy(DeployOptions(str(broken), "pi", tmp_path / "app"))
    assert not (tmp_path / "app").exists()
