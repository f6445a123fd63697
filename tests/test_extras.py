"""Extras: pyproject.toml says what each brings, and everybody who misses a package is told the same command."""

import json
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from edgekit import extras

PROJECT = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text())["project"]


def test_each_extra_has_a_purpose():
    assert set(extras.EXTRAS) == set(PROJECT["optional-dependencies"]) - {"dev"}


@pytest.mark.parametrize(
    ("module", "extra"), [("torch", "train"), ("torch_pruning", "train"), ("brotli", "serve"), ("numpy", None)]
)
def test_a_module_is_known_by_the_extra_that_brings_it(module, extra):
    assert extras.extra_of(module) == extra


@pytest.mark.parametrize(
    ("came", "command"),
    [
        (None, "pip install 'edgekit[train]'"),
        ({"url": "file:///own/edgekit", "dir_info": {"editable": True}}, "pip install -e '/own/edgekit[train]'"),
        ({"url": "file:///own%20work/edgekit", "dir_info": {}}, "pip install '/own work/edgekit[train]'"),
        ({"url": "HERE", "dir_info": {"editable": True}}, "pip install -e '.[train]'"),
        (
            {"url": "https://example.org/edgekit.git", "vcs_info": {"vcs": "git", "commit_id": "0a1b"}},
            "pip install 'edgekit[train] @ git+https://example.org/edgekit.git@0a1b'",
        ),
        (
            {"url": "https://example.org/edgekit-9-py3-none-any.whl", "archive_info": {}},
            "pip install 'edgekit[train] @ https://example.org/edgekit-9-py3-none-any.whl'",
        ),
    ],
)
def test_an_extra_comes_from_where_edgekit_came(came, command, tmp_path, monkeypatch):
    about = tmp_path / "edgekit-9.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: edgekit\nVersion: 9\n")
    if came is not None:
        (about / "direct_url.json").write_text(json.dumps(came).replace("HERE", Path.cwd().as_uri()))
    monkeypatch.syspath_prepend(tmp_path)
    assert extras.install("train") == command


def test_packages_are_those_of_pyproject():
    names = [Requirement(text).name for text in PROJECT["optional-dependencies"]["train"]]
    assert sorted(one.name for one in extras.packages("train")) == sorted(names)
    assert {"numpy", "onnx"} <= {one.name for one in extras.packages()}
    assert not {"torch", "pytest"} & {one.name for one in extras.packages()}


@pytest.mark.parametrize(
    ("asked", "wrong"),
    [("numpy>=1", ""), ("nothing-of-that-name", "no nothing-of-that-name"), ("numpy<1", "is not <1")],
)
def test_what_is_wrong_with_a_package_is_said(asked, wrong):
    assert wrong in extras.lacking(Requirement(asked))
    assert bool(extras.lacking(Requirement(asked))) == bool(wrong)
