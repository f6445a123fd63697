import errno
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from edgekit.data import open_data, open_unlabelled
from edgekit.errors import DataError, UnknownNameError
from edgekit.inputs.contract import InputContract


def test_mnist_is_opened_by_name_also_beside_a_folder_of_that_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mnist").mkdir()
    monkeypatch.chdir(tmp_path)
    assert open_data("mnist", InputContract(28, 28, 1)).name == "mnist"
    with pytest.raises(DataError, match="holds no images"):
        open_data("./mnist")


def test_a_folder_of_photos_is_fitted_to_the_model(flowers: Path) -> None:
    assert open_data(str(flowers), InputContract(4, 4, 1)).image_shape == (4, 4, 1)


def test_of_a_folder_all_images_are_opened_without_labels_at_whatever_depth(flowers: Path, save_image) -> None:
    save_image(flowers / "deep" / "er" / "0.png", seed=999)
    save_image(flowers / "loose.png", seed=1000)
    data = open_unlabelled(str(flowers), InputContract(4, 4, 3))
    assert data.train.images.shape == (26, 4, 4, 3)
    assert data.train.labels is None
    assert data.classes == ()
    assert len(data.validation) == len(data.test) == 0


def test_of_anything_else_the_training_split_is_opened_without_labels(tmp_path: Path) -> None:
    np.savez(tmp_path / "d.npz", x_train=np.zeros((24, 6, 6), np.uint8), y_train=np.arange(24) % 2)
    data = open_unlabelled(str(tmp_path / "d.npz"))
    assert data.train.images.shape == (18, 6, 6, 1)
    assert data.train.labels is None
    assert len(data.test) == 0


def test_a_folder_without_images_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no images; put some there"):
        open_unlabelled(tmp_path)


def test_an_npz_file_of_another_shape_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "d.npz", x=np.zeros((24, 6, 6), np.uint8), y=np.arange(24) % 2)
    with pytest.raises(DataError, match=r"d\.npz holds 6x6x1 images and the model needs 28x28x1"):
        open_data(str(tmp_path / "d.npz"), InputContract(28, 28, 1))


def test_a_misspelled_name_gets_the_nearest_one() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'mnist'"):
        open_data("mnits")


@pytest.mark.parametrize("source", ["no/such/folder", "absent.npz", "absent.parquet", "absent.csv"])
def test_a_missing_path_is_named(source: str) -> None:
    with pytest.raises(DataError, match=f"{source} does not exist"):
        open_data(source)


def test_a_file_of_the_wrong_kind_is_told_what_is_known(tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text("a,b\n")
    with pytest.raises(DataError, match=r"table\.csv is not a data source; give 'mnist', 'clothes', a folder"):
        open_data(str(tmp_path / "table.csv"))


def test_opening_mnist_imports_no_decoder() -> None:
    code = (
        "import sys; from edgekit.data import open_data; open_data('mnist');"
        "sys.exit(', '.join({'PIL', 'pyarrow', 'torch', 'onnx', 'rich'} & set(sys.modules)) or None)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


def test_a_folder_that_may_not_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(folder: Path) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(folder))

    monkeypatch.setattr(Path, "iterdir", refuse)  # the owner of a test may be one who may read everything
    with pytest.raises(DataError, match=f"{tmp_path} cannot be read; check its permissions"):
        open_data(str(tmp_path))
