"""Weights beside the model, as torch's exporter writes them: the model is what it would be as one file."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from small_graphs import graph_of, noise

from edgekit.conversion.export import ExportOptions, export
from edgekit.errors import ModelError
from edgekit.evaluation.inspect import inspect_file
from edgekit.graph import load
from edgekit.graph.isolated import model_bytes, open_prepared
from edgekit.graph.load import check_onnx, load_onnx
from edgekit.modelfiles.session import FileSession
from edgekit.runtimes import RUNTIMES

DATA = "model.onnx.data"


def whole() -> onnx.ModelProto:
    nodes = [helper.make_node("Conv", ["x", "w"], ["c"]), helper.make_node("Add", ["c", "b"], ["out"])]
    return graph_of(nodes, {"x": (1, 2, 6, 6)}, {"w": noise(3, 2, 3, 3), "b": noise(3, 1, 1, seed=1)})


@pytest.fixture
def split(tmp_path: Path) -> Path:
    """``whole`` with its weights in one file beside it."""
    path = tmp_path / "model.onnx"
    onnx.save(whole(), path, save_as_external_data=True, location=DATA, size_threshold=0)
    assert (tmp_path / DATA).stat().st_size >= 4 * (54 + 3)
    return path


def refer(path: Path, **entries: str) -> None:
    """Let the first weight say that it lies where ``entries`` say."""
    model = onnx.load(path, load_external_data=False)
    tensor = model.graph.initializer[0]
    given = {item.key: item.value for item in tensor.external_data}
    del tensor.external_data[:]
    for key, value in {**given, **entries}.items():
        tensor.external_data.add(key=key, value=value)
    path.write_bytes(model.SerializeToString())


def test_its_weights_are_moved_in(split: Path) -> None:
    expected = {item.name: numpy_helper.to_array(item) for item in whole().graph.initializer}
    model = check_onnx(split)
    assert all(item.data_location == TensorProto.DEFAULT and not item.external_data for item in model.graph.initializer)
    for item in model.graph.initializer:
        np.testing.assert_array_equal(numpy_helper.to_array(item), expected[item.name])


def test_the_rest_of_the_file_is_meant_where_no_length_is_given(split: Path) -> None:
    model = whole()
    weights = model.graph.initializer[0]
    data = bytes(12) + weights.raw_data
    weights.raw_data = b""
    weights.data_location = TensorProto.EXTERNAL
    for key, value in {"location": "rest", "offset": "12"}.items():
        weights.external_data.add(key=key, value=value)
    split.write_bytes(model.SerializeToString())
    (split.parent / "rest").write_bytes(data)
    np.testing.assert_array_equal(numpy_helper.to_array(load_onnx(split).graph.initializer[0]), noise(3, 2, 3, 3))


def test_sums_and_sizes_are_those_of_the_one_file_that_it_would_be(split: Path) -> None:
    data = model_bytes(split)
    assert onnx.load_model_from_string(data) == load_onnx(split)
    facts = inspect_file(split)
    assert (facts.sha256, facts.contents.file_bytes) == (sha256(data).hexdigest(), len(data))
    assert facts.contents.overhead_bytes > 0
    assert not facts.refusal


def test_a_file_without_data_beside_it_is_taken_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(whole().SerializeToString())
    assert model_bytes(path) == path.read_bytes()


def test_every_way_of_running_it_gives_the_answer_of_the_whole_model(split: Path) -> None:
    image = noise(1, 2, 6, 6, seed=2)
    (expected,) = RUNTIMES["ort"].open(whole().SerializeToString()).run([image])
    with FileSession(split) as session:
        np.testing.assert_array_equal(session.run([image])[0], expected)
    (output,) = RUNTIMES["ort"].open(open_prepared(split).SerializeToString()).run([image])
    np.testing.assert_allclose(output, expected, rtol=1e-5, atol=1e-5)
    RUNTIMES["ort"].start(str(split), 1, {})()


def test_it_is_exported_as_one_file(split: Path, tmp_path: Path) -> None:
    export(ExportOptions(str(split), "onnx", out=tmp_path / "out"))
    (written,) = (tmp_path / "out").glob("*.onnx")
    assert [path.name for path in (tmp_path / "out").iterdir()] == [written.name]
    assert len(onnx.load(written, load_external_data=False).graph.initializer) >= 1


@pytest.mark.parametrize(
    ("entries", "reason"),
    [
        ({"location": "other"}, "not beside it"),
        ({"location": "../model.onnx.data"}, "no plain file name"),
        ({"location": "..\\model.onnx.data"}, "no plain file name"),
        ({"location": ""}, "no plain file name"),
        ({"location": ".."}, "a folder or a link"),
        ({"offset": "1", "length": "99999"}, "do not fit"),
        ({"length": "1000"}, "do not fit"),
        ({"offset": str(2**63), "length": "4"}, "do not fit"),
        ({"offset": str(2**64 - 4), "length": "216"}, "clearly"),
        ({"offset": "-4"}, "clearly"),
        ({"surprise": "1"}, "clearly"),
        ({"length": "212"}, "does not hold what its shape"),
    ],
)
def test_data_that_are_not_where_they_should_be_are_refused(split: Path, entries: dict[str, str], reason: str) -> None:
    refer(split, **entries)
    (split.parent / DATA).write_bytes(bytes(2000))
    with pytest.raises(ModelError, match=reason):
        load_onnx(split)


def test_a_key_that_is_not_text_or_is_given_twice_is_refused(split: Path) -> None:
    content = split.read_bytes()
    for key in (b"\xff\xfe\xff\xfe\xff\xfe", b"length"):
        split.write_bytes(content.replace(b"offset", key, 1))
        with pytest.raises(ModelError, match="clearly"):
            load_onnx(split)


def link_out(data: Path, secret: Path) -> None:
    data.symlink_to(secret)


def hard_link(data: Path, secret: Path) -> None:
    data.hardlink_to(secret)


def folder(data: Path, secret: Path) -> None:
    data.mkdir()


@pytest.mark.parametrize("replace", [link_out, hard_link, folder])
def test_a_link_to_elsewhere_and_a_folder_are_refused(split: Path, replace: Callable[[Path, Path], None]) -> None:
    data = split.parent / DATA
    (split.parent / "other").mkdir()
    secret = data.rename(split.parent / "other" / "secret")
    replace(data, secret)
    with pytest.raises(ModelError, match="a folder or a link to elsewhere"):
        load_onnx(split)


def test_a_link_within_the_folder_is_followed(split: Path) -> None:
    data = split.parent / DATA
    data.symlink_to(data.rename(split.parent / "blob").name)
    load_onnx(split)


def test_a_model_beyond_the_limit_of_the_format_is_refused_before_its_data_are_read(
    split: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(load, "MAX_FILE_BYTES", split.stat().st_size + 4 * 54)
    with pytest.raises(ModelError, match=rf"more than 2 GiB with the data in {DATA}"):
        load_onnx(split)


def test_a_file_beyond_the_limit_of_the_format_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    with path.open("wb") as stream:
        stream.truncate(2 << 30)
    with pytest.raises(ModelError, match="2 GiB at the most"):
        load_onnx(path)
