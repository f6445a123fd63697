import http.client
import io
import json
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from pi_app import environment, running
from PIL import Image

from edgekit.deployment.pi.files.classify import service
from edgekit.deployment.pi.files.classify.model import AppError, Model
from edgekit.deployment.pi.files.classify.service import is_loopback, serve

TOKEN = "correct horse"


@pytest.fixture
def port(model: Model) -> Iterator[int]:
    with running(model) as number:
        yield number


def ask(port: int, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, dict[str, Any]]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def send(port: int, data: bytes) -> bytes:
    """All that comes back for bytes as they are."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(data)
        answer = b""
        while part := connection.recv(65_536):
            answer += part
    return answer


def test_a_posted_picture_is_answered_with_labels_and_probabilities(port: int, digits: list[Path]) -> None:
    status, answer = ask(port, "POST", "/predict", digits[0].read_bytes())
    assert status == 200
    assert answer["guesses"][0]["label"] == "7"
    assert sum(guess["probability"] for guess in answer["guesses"]) == pytest.approx(1, abs=0.01)


def test_several_requests_at_once_get_their_own_answers(port: int, digits: list[Path]) -> None:
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda index: ask(port, "POST", "/predict", digits[index % 3].read_bytes()), range(30)))
    assert [answer["guesses"][0]["label"] for _, answer in answers] == ["7", "2", "1"] * 10


@pytest.mark.parametrize("name", ["/", "/page.js", "/style.css"])
def test_the_page_and_its_parts_come_with_a_strict_policy(port: int, name: str) -> None:
    answer = send(port, f"GET {name} HTTP/1.0\r\n\r\n".encode())
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.0 200")
    assert b"default-src 'none'; script-src 'self'" in head
    assert b"unsafe" not in head
    assert body


def test_the_page_refers_to_nothing_that_is_not_served_and_has_no_code_inside() -> None:
    text = (service.PAGE / "index.html").read_text()
    assert {f"/{name}" for name in re.findall(r'(?:src|href)="([^"]+)"', text)} <= set(service.FILES)
    assert not re.search(r"<script>|<style>|\son\w+=|style=", text)


def test_it_says_what_it_is_and_that_it_lives(port: int) -> None:
    assert ask(port, "GET", "/health") == (200, {"status": "ok"})
    about = {"name": "mnist-tiny", "takes": "image", "domain": "digit", "labels": list("0123456789")}
    assert ask(port, "GET", "/model.json") == (200, about)


@pytest.mark.parametrize(
    "path", ["/../app.py", "/%2e%2e/app.py", "//etc/passwd", "/page/../../model.py", "/manifest.json"]
)
def test_no_path_leads_out_of_the_page(port: int, path: str) -> None:
    assert send(port, f"GET {path} HTTP/1.0\r\n\r\n".encode()).startswith(b"HTTP/1.0 404")


@pytest.mark.parametrize("body", [b"", b"garbage", b"\x89PNG\r\n\x1a\n" + bytes(100), b"%!PS-Adobe-3.0 EPSF-3.0\n"])
def test_what_is_no_picture_is_refused_and_the_next_request_served(port: int, body: bytes, digits: list[Path]) -> None:
    status, answer = ask(port, "POST", "/predict", body)
    assert status == 400
    assert answer["error"].startswith("the picture ")
    assert ask(port, "POST", "/predict", digits[0].read_bytes())[0] == 200


def test_a_form_is_told_to_be_sent_as_the_picture_alone(port: int, digits: list[Path]) -> None:
    body = b'--x\r\nContent-Disposition: form-data; name="f"\r\n\r\n' + digits[0].read_bytes() + b"\r\n--x--\r\n"
    form = f"Content-Type: multipart/form-data; boundary=x\r\nContent-Length: {len(body)}"
    answer = send(port, f"POST /predict HTTP/1.0\r\nHost: 127.0.0.1\r\n{form}\r\n\r\n".encode() + body)
    assert answer.startswith(b"HTTP/1.0 400")
    assert b"--data-binary @FILE" in answer


def test_a_small_file_that_unpacks_to_many_pixels_is_refused(port: int) -> None:
    stream = io.BytesIO()
    Image.new("1", (8000, 7000)).save(stream, "PNG")
    assert stream.tell() < 20_000
    status, answer = ask(port, "POST", "/predict", stream.getvalue())
    assert status == 400
    assert "more pixels than are safe" in answer["error"]


def test_a_body_of_100_megabytes_is_refused_before_it_is_read(port: int) -> None:
    head = f"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: {100 << 20}\r\n\r\n"
    answer = send(port, head.encode() + bytes(1 << 20))
    assert answer.startswith(b"HTTP/1.0 413")
    assert b"16 MiB" in answer


@pytest.mark.parametrize(
    ("header", "status"),
    [
        ("X: y", 411),
        ("Content-Length: many", 411),
        ("Content-Length: -1", 411),
        ("Content-Length: " + "9" * 5000, 413),
        ("Transfer-Encoding: chunked", 411),
        ("Content-Length: 5\r\nTransfer-Encoding: chunked", 411),
    ],
)
def test_a_body_of_no_clear_length_is_refused(port: int, header: str, status: int) -> None:
    answer = send(port, f"POST /predict HTTP/1.1\r\nHost: localhost\r\n{header}\r\n\r\n".encode())
    assert answer.startswith(f"HTTP/1.0 {status}".encode())


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", 400),
        (b"GET / HTTP/9.9\r\n\r\n", 505),
        (b"DELETE /predict HTTP/1.1\r\n\r\n", 501),
        (b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 200 + b"\r\n", 431),
    ],
)
def test_what_is_no_http_of_ours_is_answered_and_the_next_request_served(
    port: int, request_: bytes, status: int
) -> None:
    assert f" {status} ".encode() in send(port, request_)[:20] or b'"error"' in send(port, request_)
    assert ask(port, "GET", "/health")[0] == 200


def test_a_client_that_sends_a_byte_now_and_then_is_turned_away(
    model: Model, monkeypatch: pytest.MonkeyPatch, digits: list[Path]
) -> None:
    monkeypatch.setattr(service, "REQUEST_S", 0.5)
    with running(model) as port, socket.create_connection(("127.0.0.1", port), timeout=20) as slow:
        slow.sendall(b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n")
        assert ask(port, "POST", "/predict", digits[0].read_bytes())[0] == 200
        slow.sendall(b"a")
        assert slow.recv(100).startswith(b"HTTP/1.0 408")
        with socket.create_connection(("127.0.0.1", port), timeout=20) as silent:
            silent.sendall(b"GET / HT")
            assert silent.recv(100) == b""


def test_more_connections_than_it_has_threads_for_are_told_to_come_back(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "MAX_CONNECTIONS", 1)
    monkeypatch.setattr(service, "BUSY_S", 0.1)
    with running(model) as port, socket.create_connection(("127.0.0.1", port)):
        assert send(port, b"GET / HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.0 503")


def test_a_runtime_that_fails_is_an_answer_and_no_end(
    model: Model, port: int, monkeypatch: pytest.MonkeyPatch, digits: list[Path]
) -> None:
    monkeypatch.setattr(model._session, "run", lambda tensors: tensors[0].no_such_thing)
    assert ask(port, "POST", "/predict", digits[0].read_bytes())[0] == 500
    monkeypatch.undo()
    assert ask(port, "POST", "/predict", digits[0].read_bytes())[0] == 200


def test_with_a_token_only_those_who_have_it_are_answered(model: Model, digits: list[Path]) -> None:
    picture = digits[0].read_bytes()
    with running(model, TOKEN) as port:
        assert ask(port, "POST", "/predict", picture)[0] == 401
        assert ask(port, "POST", "/predict", picture, Authorization="Bearer wrong")[0] == 401
        assert ask(port, "POST", "/predict", picture, Authorization="Bearer \xe4")[0] == 401
        assert ask(port, "POST", "/predict", picture, Authorization=f"Bearer {TOKEN}")[0] == 200


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8000", "127.0.0.1.evil.example", ""])
def test_without_a_token_a_name_that_another_page_gave_this_machine_is_refused(
    port: int, host: str, digits: list[Path]
) -> None:
    assert ask(port, "POST", "/predict", digits[0].read_bytes(), Host=host)[0] == 403


@pytest.mark.parametrize(
    ("host", "is_local"),
    [("127.0.0.1", True), ("::1", True), ("[::1]", True), ("localhost", True), ("0.0.0.0", False), ("pi.local", False)],
)
def test_only_addresses_of_this_machine_need_no_token(host: str, is_local: bool) -> None:
    assert is_loopback(host) == is_local


def test_a_token_that_no_header_can_carry_is_refused(model: Model) -> None:
    for token in ("schlüsselwort", "eight  \n\n\n"):
        with pytest.raises(AppError, match="no header can carry"):
            serve(model, "127.0.0.1", 0, token)


def test_a_short_token_and_an_address_of_others_are_refused(model: Model) -> None:
    with pytest.raises(AppError, match="8 or more"):
        serve(model, "127.0.0.1", 0, "1234")
    with pytest.raises(AppError, match="cannot be listened on"):
        serve(model, "192.0.2.1", 0, TOKEN)


@pytest.mark.parametrize(("host", "has_token"), [("127.0.0.1", False), ("0.0.0.0", True)])
def test_the_program_prints_its_address_and_ends_at_sigterm(bundle: Path, host: str, has_token: bool) -> None:
    command = [sys.executable, str(bundle / "app.py"), "serve", "--host", host, "--port", "0"]
    with subprocess.Popen(command, env=environment(), stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        try:
            address = next(line for line in process.stderr if line.startswith("serving on "))
            found = re.fullmatch(r"serving on http://[\d.]+:(\d+)/(#\S{20,})?\n", address)
            assert found is not None
            assert bool(found[2]) == has_token
            assert ask(int(found[1]), "GET", "/health")[0] == 200
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
