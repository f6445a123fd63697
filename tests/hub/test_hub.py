"""Models come from a hub and go to one: a hub on loopback speaks its protocol, and the hub's own library asks it."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import onnx
import pytest
from huggingface_hub import ModelCard

from edgekit.cli.listing import ListOptions, listing
from edgekit.errors import ModelError, UnknownNameError, UsageError
from edgekit.files import sha256_bytes, sha256_file
from edgekit.hub.pull import PullOptions, pull
from edgekit.hub.push import PushOptions, push
from edgekit.modelfiles.session import vet

STUDENT = Path(__file__).parents[2] / "students" / "mnist-tiny"
COMMIT = "c" * 40
CARD = "---\nlicense: mit\n---\n# Mine\n\nReads digits.\n"


@dataclass
class Hub:
    """Repositories by their names, each files by path; what was sent in a commit is put there."""

    address: str
    files: dict[str, dict[str, bytes]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def answer(self, path: str) -> tuple[int, bytes]:
        """Of a GET or a HEAD."""
        parts = path.strip("/").split("/")
        if parts[:2] == ["api", "models"]:
            name = "/".join(parts[2:4])
            if name not in self.files:
                return 404, b"{}"
            if "tree" in parts:
                sizes = {file: len(data) for file, data in self.files[name].items()}
                files = [{"type": "file", "path": file, "size": size, "oid": "0"} for file, size in sizes.items()]
                return 200, json.dumps(files).encode()
            siblings = [{"rfilename": file} for file in self.files[name]]
            return 200, json.dumps({"id": name, "sha": COMMIT, "siblings": siblings}).encode()
        found = self.files.get("/".join(parts[:2]), {}).get("/".join(parts[4:]))
        return (404, b"") if found is None else (200, found)

    def take(self, path: str, body: bytes) -> dict[str, Any]:
        """Of a POST."""
        if path == "/api/repos/create":
            asked = json.loads(body)
            name = "/".join(filter(None, (asked.get("organization"), asked["name"])))
            self.files.setdefault(name, {})
            return {"url": f"{self.address}/{name}"}
        name = "/".join(path.split("/")[3:5])
        if "/preupload/" in path:
            paths = [file["path"] for file in json.loads(body)["files"]]
            return {"files": [{"path": file, "uploadMode": "regular", "shouldIgnore": False} for file in paths]}
        if "/commit/" in path:
            for line in map(json.loads, body.splitlines()):
                if line["key"] == "file":
                    self.files[name][line["value"]["path"]] = base64.b64decode(line["value"]["content"])
            return {"commitUrl": f"{self.address}/{name}/commit/{COMMIT}", "commitOid": COMMIT, "hookOutput": ""}
        return {"errors": [], "warnings": []}  # of a card that is checked


@pytest.fixture
def hub() -> Iterator[Hub]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._say(*made.answer(self.path.partition("?")[0]))

        do_HEAD = do_GET  # noqa: N815

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self._say(200, json.dumps(made.take(self.path.partition("?")[0], body)).encode())

        def _say(self, status: int, body: bytes) -> None:
            made.asked.append(f"{self.command} {self.path}")
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("ETag", f'"{sha256_bytes(body)}"')
            self.send_header("X-Repo-Commit", COMMIT)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing on the tests' stderr."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made = Hub(f"http://127.0.0.1:{server.server_port}")
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield made
    server.shutdown()
    server.server_close()


def edgekit(folder: Path, address: str, *words: str) -> subprocess.CompletedProcess[str]:
    """A command whose hub is at that address, with a cache of its own."""
    environment = {**os.environ, "HF_ENDPOINT": address, "HF_HOME": str(folder / "cache"), "HF_TOKEN": "hf_mine"}
    command = [sys.executable, "-c", "from edgekit.cli.main import main; main()", *words]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_a_model_is_pulled_with_where_it_is_from_and_then_needs_no_hub(hub: Hub, tmp_path: Path) -> None:
    model = (STUDENT / "model.int8.tflite").read_bytes()
    hub.files["me/mine"] = {
        "tflite/model.tflite": model,
        "README.md": CARD.encode(),
        "pytorch_model.bin": b"a pickle",
        "code.py": b"raise SystemExit",
    }
    done = edgekit(tmp_path, hub.address, "pull", "hf:me/mine")
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "runs" / "mine"
    record = json.loads((folder / "pull.json").read_text())
    assert (record["name"], record["revision"], record["license"]) == ("hf:me/mine", COMMIT, "mit")
    assert {"path": "tflite/model.tflite", "bytes": len(model), "sha256": sha256_bytes(model)} in record["files"]
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert there == {"tflite/model.tflite", "README.md", "pull.json"}, "neither pickles nor code"

    done = edgekit(tmp_path, hub.address, "pull", "hf:me/mine", "--only", "tflite/*", "--out", "part")
    assert done.returncode == 0, done.stderr
    assert {path.name for path in (tmp_path / "part").rglob("*.*")} == {"model.tflite", "README.md", "pull.json"}
    done = edgekit(tmp_path, hub.address, "pull", "hf:me/mine", "--only", "*.bin", "--out", "pickles")
    assert "pickled weights are never fetched" in " ".join(done.stderr.split())
    assert not any("pytorch_model.bin" in line for line in hub.asked)

    done = edgekit(tmp_path, "http://127.0.0.1:1", "pull", "hf:me/mine")
    assert done.returncode == 0, done.stderr
    assert "taking what its cache holds" in done.stderr
    listed = edgekit(tmp_path, hub.address, "list", "models").stdout
    assert "runs/mine" in listed
    assert "hf:me/mine" in listed


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"pytorch_model.bin": b"a pickle"}, "hf:me/mine has no file *.safetensors or *.onnx or *.tflite; pickled"),
        (None, "hf:me/mine cannot be opened"),
    ],
)
def test_what_holds_pickles_alone_or_is_not_there_is_one_sentence(
    hub: Hub, tmp_path: Path, files: dict[str, bytes] | None, said: str
) -> None:
    if files is not None:
        hub.files["me/mine"] = files
    done = edgekit(tmp_path, hub.address, "pull", "hf:me/mine")
    assert done.returncode != 0
    assert said in " ".join(done.stderr.split())
    assert not (tmp_path / "runs").exists()
    assert not any("resolve" in line for line in hub.asked), "nothing was fetched"


def test_a_run_is_pushed_with_its_card_and_comes_back_the_same(hub: Hub, tmp_path: Path) -> None:
    done = edgekit(tmp_path, hub.address, "push", "mnist-tiny", "--to", "hf:me/digits", "--license", "apache-2.0")
    assert done.returncode == 0, done.stderr
    assert edgekit(tmp_path, hub.address, "pull", "hf:me/digits").returncode == 0
    for name in ("model.int8.tflite", "model.int8.onnx", "model.onnx"):
        assert (tmp_path / "runs" / "digits" / name).read_bytes() == (STUDENT / name).read_bytes()
    assert json.loads((tmp_path / "runs" / "digits" / "pull.json").read_text())["license"] == "apache-2.0"


def test_the_card_says_what_hubs_read_and_what_people_ask(tmp_path: Path) -> None:
    push(PushOptions(str(STUDENT), str(tmp_path / "out"), "apache-2.0", "Digits on forms."))
    card = ModelCard.load(tmp_path / "out" / "README.md")
    assert (card.data.license, card.data.pipeline_tag) == ("apache-2.0", "image-classification")
    figures = {result.metric_name: result.metric_value for result in card.data.eval_results or ()}
    written = json.loads((STUDENT / "quantize.json").read_text())["tflite"]["quality"]["accuracy"]
    assert figures["accuracy of model.int8.tflite"] == written
    for text in ("9,258", "Distilled from mnist-cnn", "Digits on forms.", "28×28×1", "Data: mnist."):
        assert text in card.text


def test_records_and_card_go_out_without_the_folders_of_their_machine(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (run / "model.onnx").write_bytes((STUDENT / "model.onnx").read_bytes())
    (run / "distill.json").write_text(json.dumps({"teacher": "/home/me/secret/t.onnx", "student": "mnist-tiny"}))
    (run / "quantize.json").write_text(json.dumps({"data": "/home/me/my photos", "files": ["/home/me/x.onnx"]}))
    push(PushOptions(str(run), str(tmp_path / "out")))
    assert json.loads((tmp_path / "out" / "distill.json").read_text())["teacher"] == "t.onnx"
    written = json.loads((tmp_path / "out" / "quantize.json").read_text())
    assert written == {"data": "my photos", "files": ["x.onnx"]}
    card = (tmp_path / "out" / "README.md").read_text()
    assert "/home/me" not in card
    assert "Distilled from t.onnx" in card
    assert "Not stated." in card


@pytest.mark.parametrize(
    ("written", "pushed"),
    [
        ("/home/me/secret/t.onnx", "t.onnx"),
        ("~/t.onnx", "t.onnx"),
        ("~me/secret/t.onnx", "t.onnx"),
        (r"C:\Users\me\t.onnx", "t.onnx"),
        (r"\\server\me\t.onnx", "t.onnx"),
        ("hf:/home/me/vit + hf:google/vit-base@abc", "hf:vit + hf:google/vit-base@abc"),
        ("hf:google/vit-base@abc", "hf:google/vit-base@abc"),
        ("runs/mine/model.onnx", "runs/mine/model.onnx"),
        ("https://example.org/data/photos.zip", "https://example.org/data/photos.zip"),
        ("0.1 / 0.9", "0.1 / 0.9"),
    ],
)
def test_absolute_paths_alone_are_cut_to_their_names(tmp_path: Path, written: str, pushed: str) -> None:
    assert _pushed(tmp_path, "teacher", written) == pushed


@pytest.mark.parametrize("field", ["classes", "layers", "floats"])
def test_names_of_classes_and_tensors_go_out_as_they_are(tmp_path: Path, field: str) -> None:
    names = ["T-shirt/top", "/m/01g317", "/features/conv/Conv_output_0"]
    assert _pushed(tmp_path, field, names) == names


def _pushed(folder: Path, field: str, value: Any) -> Any:
    """A field of a record as it goes out."""
    run = folder / "run"
    run.mkdir()
    (run / "model.onnx").write_bytes((STUDENT / "model.onnx").read_bytes())
    (run / "distill.json").write_text(json.dumps({field: value}))
    push(PushOptions(str(run), str(folder / "out")))
    return json.loads((folder / "out" / "distill.json").read_text())[field]


def test_weights_that_lie_beside_a_model_go_out_inside_it(tmp_path: Path) -> None:
    run, out = tmp_path / "run", tmp_path / "out"
    run.mkdir()
    model = onnx.load(STUDENT / "model.onnx")
    onnx.save(model, run / "MODEL.ONNX", save_as_external_data=True, location="weights.bin", size_threshold=0)
    push(PushOptions(str(run / "MODEL.ONNX"), str(out)))
    assert sorted(path.name for path in out.iterdir()) == ["MODEL.ONNX", "README.md"]
    assert vet(out / "MODEL.ONNX").parameters == vet(STUDENT / "model.onnx").parameters
    assert sha256_file(out / "MODEL.ONNX")[:16] in (out / "README.md").read_text()


def test_what_cannot_be_given_away_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"is the run itself; name another folder by --to\."):
        push(PushOptions(str(STUDENT), str(STUDENT)))
    (tmp_path / "model.onnx").write_bytes(b"no model")
    with pytest.raises(ModelError, match=r"model\.onnx"):
        push(PushOptions(str(tmp_path), str(tmp_path / "out")))
    assert not (tmp_path / "out").exists()
    (tmp_path / "model.onnx").write_bytes((STUDENT / "model.onnx").read_bytes())
    (tmp_path / "distill.json").write_text("{")
    with pytest.raises(ModelError, match=r"distill\.json is damaged"):
        push(PushOptions(str(tmp_path), str(tmp_path / "out")))
    with pytest.raises(UnknownNameError, match=r"No hub is called 'hg:'; did you mean 'hf:'\?"):
        pull(PullOptions("hg:me/mine"))


def test_models_of_ones_own_are_listed_with_where_they_are_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert listing(ListOptions("models")).rows == ()
    run = tmp_path / "runs" / "own"
    run.mkdir(parents=True)
    (run / "model.onnx").write_bytes(b"12345")
    (run / "distill.json").write_text(json.dumps({"teacher": "mnist-cnn"}))
    assert listing(ListOptions("models")).rows == (("runs/own", "mnist-cnn", "model.onnx 5 B"),)
