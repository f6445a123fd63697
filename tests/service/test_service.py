"""The service for a store: what it answers, and that nothing which is sent to it or lies in the store ends it."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np
import pytest
from onnx import helper, save
from served import edgekit_serve, png, running
from small_graphs import graph_of, noise

from edgekit.data.dataset import Dataset
from edgekit.deployment.app_model import read_app_model
from edgekit.evaluation.input_options import InputOptions
from edgekit.evaluation.predict import PredictOptions, predict
from edgekit.sandbox import Sandbox
from edgekit.service.service import FRESH_S, service_app
from edgekit.store.card import read_model
from edgekit.store.store import Store
from edgekit.web.body import BodyReader

MEMORY = 1 << 30


def labels(service: httpx.Client, model: str, pictures: list[bytes]) -> list[str]:
    answers = [service.post(f"/models/{model}/predict", content=picture) for picture in pictures]
    return [answer.json()["guesses"][0]["label"] for answer in answers]


def children(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return [int(child) for task in tasks for child in (task / "children").read_text().split()]


@pytest.mark.parametrize("name", ["tiny", "linear", "float"])
def test_it_answers_what_predict_says(
    service: httpx.Client, digits: list[bytes], digit_files: dict[str, Path], tmp_path: Path, name: str
) -> None:
    paths = [tmp_path / f"{index}.png" for index in range(len(digits))]
    for path, digit in zip(paths, digits, strict=True):
        path.write_bytes(digit)
    files = {"tiny": "mnist-tiny@litert", "linear": str(digit_files["int8.onnx"]), "float": str(digit_files["tflite"])}
    expected = predict(PredictOptions(files[name], paths, top=2))
    for digit, prediction in zip(digits, expected.predictions, strict=True):
        answer = service.post(f"/models/{name}/predict", params={"top": 2}, content=digit)
        assert answer.json()["guesses"] == [
            {"label": guess.label, "probability": guess.probability} for guess in prediction.guesses
        ]


def test_a_text_is_sent_as_json_or_alone(service: httpx.Client) -> None:
    asked = service.post("/models/text/predict", params={"top": 1}, json={"text": "It isn't good, it's awful"})
    assert asked.json()["guesses"][0]["label"] == "bad"
    alone = service.post("/models/text/predict", content="so charming 😀", headers={"Content-Type": "text/plain"})
    assert alone.json()["guesses"][0]["label"] == "good"


@pytest.mark.parametrize(
    ("body", "kind", "said"),
    [
        (b'{"text": ""}', "application/json", "The text is empty"),
        (b'{"text": ["a"]}', "application/json", "no JSON with a text"),
        (b"\xff", "text/plain", "not written in UTF-8"),
        (b"\x89PNG", "image/png", "no JSON with a text"),
    ],
)
def test_what_is_no_text_is_refused(service: httpx.Client, body: bytes, kind: str, said: str) -> None:
    answer = service.post("/models/text/predict", content=body, headers={"Content-Type": kind})
    assert answer.status_code == 422
    assert said in answer.json()["error"]


def test_many_requests_at_once_are_all_answered_right(service: httpx.Client, digits: list[bytes]) -> None:
    names = ["tiny", "linear", "float"]
    alone = {name: labels(service, name, digits) for name in names}
    with ThreadPoolExecutor(24) as pool:
        together = list(pool.map(lambda name: (name, labels(service, name, digits)), names * 8))
    assert all(alone[name] == found for name, found in together)


def test_it_lists_the_models_and_shows_their_cards(service: httpx.Client) -> None:
    listed = service.get("/models").json()["models"]
    assert [model["name"] for model in listed] == ["float", "linear", "text", "tiny"]
    card = service.get("/models/tiny").json()
    assert card["sha256"] == listed[3]["sha256"]
    assert card["student"]["labels"] == list("0123456789")
    assert service.get(f"/models/{card['sha256'][:12]}").json() == card


def test_an_unknown_name_gets_the_nearest_one(service: httpx.Client) -> None:
    answer = service.get("/models/tinny")
    assert answer.status_code == 404
    assert "did you mean 'tiny'?" in answer.json()["error"]


@pytest.mark.parametrize("name", ["..%2f..%2fetc%2fpasswd", "%00", "a'%20OR%201=1", "*", "%ff%fe"])
def test_a_name_is_never_a_path_or_a_query(service: httpx.Client, name: str) -> None:
    assert service.get(f"/models/{name}").status_code == 404


def test_the_description_has_every_route_and_no_other(service: httpx.Client) -> None:
    document = service.get("/openapi.json").json()
    app = service_app(Store(Path(":memory:")), MEMORY)
    described = {(path, method.upper()) for path, item in document["paths"].items() for method in item}
    routes = {(route.path, method) for route in app.routes for method in route.methods - {"HEAD"}}  # type: ignore[attr-defined]
    assert described == routes
    assert document["openapi"].startswith("3.1")
    schemas = document["components"]["schemas"]
    for name in json.dumps(document).split('"#/components/schemas/')[1:]:
        assert name.split('"')[0] in schemas


def test_answers_are_as_the_description_says(service: httpx.Client, digits: list[bytes]) -> None:
    schemas = service.get("/openapi.json").json()["components"]["schemas"]
    answers = {
        "Health": service.get("/health"),
        "Models": service.get("/models"),
        "Card": service.get("/models/tiny"),
        "Prediction": service.post("/models/tiny/predict", content=digits[0]),
        "Error": service.get("/models/none"),
    }
    for name, answer in answers.items():
        assert set(schemas[name]["required"]) <= set(answer.json()) <= set(schemas[name]["properties"])


def test_health_reads_no_card_and_keeps_nobody_waiting(store_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Store(store_file) as store:
        names = len(store.entries())
    slow = Store(store_file)
    count = slow.count
    monkeypatch.setattr(slow, "entries", None)
    monkeypatch.setattr(slow, "count", lambda: time.sleep(1) or count())
    with running(service_app(slow, MEMORY)) as url, ThreadPoolExecutor(1) as pool:
        health = pool.submit(httpx.get, f"{url}health")
        time.sleep(0.2)
        assert httpx.get(f"{url}metrics").status_code == 200
        assert not health.done()
        assert health.result().json() == {"status": "ok", "models": names}


def test_the_metrics_are_counted(service: httpx.Client, digits: list[bytes]) -> None:
    def value(name: str) -> float:
        text = service.get("/metrics").text
        return next((float(line.split()[-1]) for line in text.splitlines() if line.startswith(name)), 0.0)

    counted = ('edgekit_predictions_total{model="tiny"}', "edgekit_prediction_seconds_count")
    before = [value(name) for name in counted]
    labels(service, "tiny", digits[:3])
    assert [value(name) for name in counted] == [then + 3 for then in before]
    assert 0 < value("edgekit_worker_memory_bytes") < MEMORY


@pytest.mark.parametrize("body", [b"", b"no picture", b"\x89PNG\r\n\x1a\n" + bytes(100)])
def test_what_is_no_picture_is_refused(service: httpx.Client, body: bytes) -> None:
    answer = service.post("/models/tiny/predict", content=body)
    assert answer.status_code == 422
    assert "picture" in answer.json()["error"]


def test_a_picture_without_a_digit_is_refused(service: httpx.Client) -> None:
    blank = png(np.full((60, 60, 1), 255, np.uint8))
    answer = service.post("/models/tiny/predict", content=blank)
    assert answer.status_code == 422
    assert "no digit" in answer.json()["error"]


def test_a_picture_that_unpacks_to_too_much_is_refused(service: httpx.Client, digits: list[bytes]) -> None:
    bomb = png(np.zeros((10_000, 10_000, 1), np.uint8))
    assert len(bomb) < 1 << 20
    answer = service.post("/models/tiny/predict", content=bomb)
    assert answer.status_code == 422
    assert "more pixels than are safe" in answer.json()["error"]
    assert labels(service, "tiny", digits[:1]) == ["7"]


def test_a_form_is_told_to_be_sent_as_the_picture_alone(service: httpx.Client, digits: list[bytes]) -> None:
    answer = service.post("/models/tiny/predict", files={"picture": digits[0]})
    assert answer.status_code == 422
    assert "--data-binary @FILE" in answer.json()["error"]


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/", 404), ("GET", "/models/tiny/predict", 405)])
def test_a_wrong_address_is_answered_with_the_way_to_the_right_one(
    service: httpx.Client, method: str, path: str, status: int
) -> None:
    answer = service.request(method, path)
    assert answer.status_code == status
    assert "/openapi.json" in answer.json()["error"]


@pytest.mark.parametrize("top", ["0", "-1", "x", "1e3", "99999", "٣"])
def test_top_is_a_number_of_guesses(service: httpx.Client, digits: list[bytes], top: str) -> None:
    answer = service.post("/models/tiny/predict", params={"top": top}, content=digits[0])
    assert answer.status_code == 400


def test_a_body_that_is_too_large_is_refused(service: httpx.Client, digits: list[bytes]) -> None:
    answer = service.post("/models/tiny/predict", content=bytes(100 << 20))
    assert answer.status_code == 413
    assert "16,777,216" in answer.json()["error"]
    assert labels(service, "tiny", digits[:1]) == ["7"]


def test_a_body_of_unknown_length_is_refused_once_it_is_too_large(store_file: Path) -> None:
    app = service_app(Store(store_file), MEMORY, body=BodyReader(max_bytes=10_000))
    with running(app) as url:
        answer = httpx.post(f"{url}models/tiny/predict", content=(bytes(1000) for _ in range(20)))
    assert answer.status_code == 413


def test_more_bodies_than_fit_into_memory_are_put_off(store_file: Path) -> None:
    app = service_app(Store(store_file), MEMORY, body=BodyReader(max_held=10_000))
    with running(app) as url:
        answer = httpx.post(f"{url}models/tiny/predict", content=bytes(20_000))
    assert answer.status_code == 503


def test_a_strange_page_cannot_call_it_under_its_own_name(service: httpx.Client) -> None:
    assert service.get("/models", headers={"Host": "example.com:8000"}).status_code == 421
    assert service.get("/models", headers={"Host": "localhost"}).status_code == 200


def test_with_a_token_nothing_but_health_is_answered_without(store_file: Path) -> None:
    with running(service_app(Store(store_file), MEMORY, token="secret")) as url:
        assert httpx.get(f"{url}models").status_code == 401
        assert httpx.get(f"{url}models", headers={"Authorization": "Bearer wrong"}).status_code == 401
        assert httpx.get(f"{url}models", headers={"Authorization": "Bearer secret"}).status_code == 200
        assert httpx.get(f"{url}health").status_code == 200


def test_a_damaged_model_is_refused_and_the_others_are_served(store_file: Path, digits: list[bytes]) -> None:
    with Store(store_file) as store:
        tiny = store.find("tiny")
        sound = store.read(tiny.sha256)
    broken = sound[:-1] + bytes([sound[-1] ^ 1])
    with sqlite3.connect(store_file) as connection:
        connection.execute("UPDATE artifacts SET data = ? WHERE sha256 = ?", (broken, tiny.sha256))
    connection.close()
    with running(service_app(Store(store_file), MEMORY)) as url, httpx.Client(base_url=url, timeout=60) as service:
        answer = service.post("/models/tiny/predict", content=digits[0])
        assert answer.status_code == 500
        assert "damaged; add its file again" in answer.json()["error"]
        assert labels(service, "linear", digits[:1]) == ["7"]
        with Store(store_file) as store:
            store.add("tiny", sound, tiny.card)
        assert labels(service, "tiny", digits[:1]) == ["7"]


def test_a_store_that_is_damaged_altogether_is_refused_and_the_service_goes_on(store_file: Path) -> None:
    with running(service_app(Store(store_file), MEMORY)) as url, httpx.Client(base_url=url) as service:
        data = bytearray(store_file.read_bytes())
        data[4096:] = bytes(len(data) - 4096)
        store_file.write_bytes(data)
        answer = service.get("/models")
        assert answer.status_code == 500
        assert "it is damaged" in answer.json()["error"]
        assert service.get("/openapi.json").status_code == 200


def test_a_name_that_stands_for_another_model_is_followed_soon(store_file: Path, digits: list[bytes]) -> None:
    with running(service_app(Store(store_file), MEMORY)) as url, httpx.Client(base_url=url, timeout=60) as service:
        labels(service, "tiny", digits[:1])
        with Store(store_file) as store:
            other = store.find("linear")
            store.add("tiny", store.read(other.sha256), other.card, replace=True)
        time.sleep(2 * FRESH_S)
        answer = service.post("/models/tiny/predict", content=digits[0])
        assert answer.json()["sha256"] == other.sha256


def test_other_labels_of_the_same_file_are_followed_soon(store_file: Path, digits: list[bytes]) -> None:
    with running(service_app(Store(store_file), MEMORY)) as url, httpx.Client(base_url=url, timeout=60) as service:
        labels(service, "tiny", digits[:1])
        with Store(store_file) as store:
            entry = store.find("tiny")
            words = [f"digit {label}" for label in entry.card["student"]["labels"]]
            card = {**entry.card, "student": {**entry.card["student"], "labels": words}}
            store.add("tiny", store.read(entry.sha256), card)
        time.sleep(2 * FRESH_S)
        assert labels(service, "tiny", digits[:1]) == ["digit 7"]


def test_what_is_no_classifier_is_listed_and_not_served(store_file: Path, digits: list[bytes]) -> None:
    with Store(store_file) as store:
        store.add("other", b"bytes", {**store.find("tiny").card, "student": None, "refusal": "It gives no scores."})
    with running(service_app(Store(store_file), MEMORY)) as url:
        answer = httpx.post(f"{url}models/other/predict", content=digits[0])
    assert (answer.status_code, answer.json()["error"]) == (422, "It gives no scores.")


def test_a_model_of_arrays_is_kept_and_asked_for_in_vain_with_what_takes_it(store_file: Path, tmp_path: Path) -> None:
    nodes = [helper.make_node("Flatten", ["mel"], ["f"]), helper.make_node("MatMul", ["f", "m"], ["scores"])]
    save(graph_of(nodes, {"mel": (1, 2, 3)}, {"m": noise(6, 4)}, outputs=["scores"]), tmp_path / "words.onnx")
    np.save(tmp_path / "mel.npy", noise(1, 2, 3))
    with Store(store_file) as store:
        read = read_model(str(tmp_path / "words.onnx"), InputOptions())
        store.add(read.name, read.data, read.card)
    with running(service_app(Store(store_file), MEMORY)) as url:
        answer = httpx.post(f"{url}models/words/predict", content=(tmp_path / "mel.npy").read_bytes())
    fault = "words.onnx takes [1, 2, 3], not one image [1, H, W, C]"
    sentence = f"{fault}; evaluate, compare and predict give it an .npz or .npy."
    assert (answer.status_code, answer.json()) == (422, {"error": sentence})


def test_a_signal_ends_it_and_its_workers(store_file: Path, digits: list[bytes]) -> None:
    with edgekit_serve("--store", str(store_file)) as (said, process):
        with httpx.Client(base_url=said["url"], timeout=60) as service:
            assert labels(service, "tiny", digits[:1]) == ["7"]
        workers = children(process.pid)
        assert workers
    assert not any(Path(f"/proc/{worker}").exists() for worker in workers)


def test_a_signal_ends_it_also_where_workers_hang_and_says_so_to_those_who_wait(
    store_file: Path, digits: list[bytes]
) -> None:
    with edgekit_serve("--store", str(store_file)) as (said, process), ThreadPoolExecutor(3) as clients:
        with httpx.Client(base_url=said["url"], timeout=60) as service:
            assert labels(service, "tiny", digits[:1]) == ["7"]
        workers = children(process.pid)
        for worker in workers:
            os.kill(worker, signal.SIGSTOP)
        url = f"{said['url']}models/tiny/predict"
        waiting = [clients.submit(httpx.post, url, content=digits[0], timeout=60) for _ in range(3)]
        time.sleep(1)
        for _ in range(2):
            process.send_signal(signal.SIGINT)
            time.sleep(0.3)
        assert process.wait(20) == 0
        answers = [future.result() for future in waiting]
    assert [(answer.status_code, "error" in answer.json()) for answer in answers] == [(503, True)] * 3
    assert not any(Path(f"/proc/{worker}").exists() for worker in workers)


def test_the_network_is_let_in_only_with_lan_and_then_a_token_is_needed(store_file: Path) -> None:
    with edgekit_serve("--store", str(store_file)) as (said, _):
        assert said["url"].startswith("http://127.0.0.1:")
        assert said["token"] == ""
    with edgekit_serve("--store", str(store_file), "--lan") as (said, _):
        url = f"http://127.0.0.1:{said['url'].rstrip('/').rpartition(':')[2]}/models"
        assert httpx.get(url).status_code == 401
        assert httpx.get(url, headers={"Authorization": f"Bearer {said['token']}"}).status_code == 200


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--store", "none.db"], "edgekit store add"),
        (["--store", "."], "name a store's file"),
        (["nowhere"], "edgekit deploy --target web"),
        (["--certificate", "c.pem"], "both --certificate and --key"),
    ],
)
def test_what_cannot_be_served_is_said(words: list[str], message: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "edgekit", "serve", *words, "--port", "0"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_port_in_use_is_said(store_file: Path) -> None:
    with edgekit_serve("--store", str(store_file)) as (said, _):
        port = said["url"].rstrip("/").rpartition(":")[2]
        command = [sys.executable, "-m", "edgekit", "serve", "--store", str(store_file), "--port", port]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "choose another --port" in done.stderr


def test_drawings_of_any_size_are_read(service: httpx.Client, mnist: Dataset) -> None:
    large = [np.kron(255 - image[..., 0], np.ones((6, 6), np.uint8))[..., None] for image in mnist.test.images[:4]]
    assert labels(service, "tiny", [png(image) for image in large]) == ["7", "2", "1", "0"]


@pytest.mark.parametrize(("off", "complaint"), [(0, ""), (40, "a value is off by 40, where rounding explains 3")])
def test_a_model_that_answers_differently_here_is_noticed_when_it_is_opened(off: int, complaint: str) -> None:
    student = read_app_model("mnist-tiny@litert")
    card = json.loads(json.dumps(student.to_dict()))
    card["golden"]["output"][0] += off
    with Sandbox("mnist-tiny") as sandbox:
        data = np.frombuffer(student.data, np.uint8)
        opened = sandbox.call("edgekit.service.answering:open_served", data=data, student=card)
    assert opened["complaint"] == complaint
