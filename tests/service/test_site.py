"""The pages of a web bundle: what is sent with them, and that nothing else is ever sent."""

from __future__ import annotations

import gzip
import os
import shutil
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from served import edgekit_serve, running

from edgekit.deployment.bundle import Bundle
from edgekit.errors import UsageError
from edgekit.service.serve import _newest_bundle
from edgekit.service.site import read_site, site_app
from edgekit.web.server import Certificate

SCRIPT = b"export const answer = 42;\n" * 100
FILES = {
    "index.html": b"<!doctype html><title>digits</title>",
    "app.mjs": SCRIPT,
    "app.mjs.gz": gzip.compress(SCRIPT, mtime=0),
    "app.mjs.br": b"stands for the brotli form",
    "runtime/core.wasm": b"\0asm",
    "app.webmanifest": b"{}",
    "model.tflite": b"model",
    "headers.json": b'{"Content-Security-Policy": "default-src \'self\'"}',
}


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    folder = tmp_path / "web"
    Bundle(FILES).write(folder)
    (folder / "private.txt").write_text("not of the bundle")
    (tmp_path / "secret.txt").write_text("not of the folder")
    return folder


@pytest.fixture
def site(bundle: Path) -> Iterator[httpx.Client]:
    with running(site_app(read_site(bundle))) as url, httpx.Client(base_url=url) as client:
        client.headers["Accept-Encoding"] = "identity"
        yield client


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("", "text/html; charset=utf-8"),
        ("index.html", "text/html; charset=utf-8"),
        ("app.mjs", "text/javascript; charset=utf-8"),
        ("runtime/core.wasm", "application/wasm"),
        ("app.webmanifest", "application/manifest+json"),
        ("model.tflite", "application/octet-stream"),
        ("manifest.json", "application/json"),
    ],
)
def test_each_file_has_its_type_and_the_bundles_headers(site: httpx.Client, name: str, kind: str) -> None:
    answer = site.get(f"/{name}")
    assert answer.headers["content-type"] == kind
    assert answer.headers["content-security-policy"] == "default-src 'self'"
    assert answer.headers["x-content-type-options"] == "nosniff"
    if name != "manifest.json":
        assert answer.content == FILES[name or "index.html"]


@pytest.mark.parametrize(
    ("accepted", "encoding"),
    [("gzip, deflate, br, zstd", "br"), ("gzip, deflate", "gzip"), ("deflate", None), ("", None)],
)
def test_the_smallest_form_that_the_browser_takes_is_sent(
    site: httpx.Client, accepted: str, encoding: str | None
) -> None:
    with site.stream("GET", "/app.mjs", headers={"Accept-Encoding": accepted}) as answer:
        raw = b"".join(answer.iter_raw())
    ending = {"br": ".br", "gzip": ".gz", None: ""}[encoding]
    assert answer.headers.get("content-encoding") == encoding
    assert answer.headers["vary"] == "Accept-Encoding"
    assert raw == FILES[f"app.mjs{ending}"]


def test_what_the_browser_has_is_not_sent_again(site: httpx.Client) -> None:
    tag = site.get("/app.mjs").headers["etag"]
    again = site.get("/app.mjs", headers={"If-None-Match": tag})
    assert (again.status_code, again.content) == (304, b"")
    assert site.get("/index.html", headers={"If-None-Match": tag}).status_code == 200


def test_head_says_what_get_would_send(site: httpx.Client) -> None:
    answer = site.head("/app.mjs")
    assert int(answer.headers["content-length"]) == len(SCRIPT)
    assert answer.content == b""


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_nothing_can_be_sent_to_it(site: httpx.Client, method: str) -> None:
    assert site.request(method, "/index.html").status_code == 405


@pytest.mark.parametrize(
    "path",
    [
        "/private.txt",
        "/../secret.txt",
        "/%2e%2e/secret.txt",
        "/runtime/../../secret.txt",
        "/runtime/%2e%2e%2f%2e%2e%2fsecret.txt",
        "//etc/passwd",
        "/runtime/",
        "/index.html%00",
        "/..%5csecret.txt",
    ],
)
def test_only_the_files_of_the_manifest_are_served(site: httpx.Client, path: str) -> None:
    request = site.build_request("GET", "/")
    request.url = request.url.copy_with(raw_path=path.encode())
    assert site.send(request).status_code == 404


def test_one_changed_byte_is_refused(bundle: Path) -> None:
    data = bytearray((bundle / "model.tflite").read_bytes())
    data[0] ^= 1
    (bundle / "model.tflite").write_bytes(data)
    with pytest.raises(UsageError, match=r"model\.tflite is not as manifest\.json says, it was changed"):
        read_site(bundle)


def test_a_missing_file_is_refused(bundle: Path) -> None:
    (bundle / "app.mjs").unlink()
    with pytest.raises(UsageError, match=r"app\.mjs is missing"):
        read_site(bundle)


def test_a_manifest_that_leads_out_of_the_folder_is_refused(bundle: Path) -> None:
    (bundle / "manifest.json").write_text('{"files": {"../secret.txt": "0"}}')
    with pytest.raises(UsageError, match="no bundle"):
        read_site(bundle)


def test_a_bundle_of_another_target_is_refused(tmp_path: Path) -> None:
    Bundle({"app.py": b""}).write(tmp_path / "pi")
    with pytest.raises(UsageError, match=r"no index\.html"):
        read_site(tmp_path / "pi")


def test_headers_that_are_no_headers_are_refused(tmp_path: Path) -> None:
    Bundle({**FILES, "headers.json": b'{"A": "b\\r\\nc"}'}).write(tmp_path / "web")
    with pytest.raises(UsageError, match=r"headers\.json"):
        read_site(tmp_path / "web")


def test_the_program_serves_a_bundle_and_ends_at_a_signal(bundle: Path) -> None:
    with edgekit_serve(str(bundle)) as (said, _):
        assert said["url"].startswith("http://127.0.0.1:")
        assert httpx.get(said["url"]).content == FILES["index.html"]


def test_the_newest_bundle_is_found_wherever_deploy_put_it_in_runs(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    older, newer = Path("runs/digits/web"), Path("runs/web")
    for age, folder in ((60, older), (0, newer)):
        Bundle(FILES).write(folder)
        os.utime(folder / "manifest.json", (time.time() - age,) * 2)
    Bundle({"app.py": b""}).write(Path("runs/pi"))
    assert _newest_bundle() == newer


def test_on_the_network_a_code_for_the_phones_camera_is_printed(bundle: Path) -> None:
    command = [sys.executable, "-u", "-m", "edgekit", "serve", str(bundle), "--lan", "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8")
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(10)]
    process.terminate()
    _, remarks = process.communicate(timeout=30)
    assert "http://" in lines[0]
    assert all(set(line.strip("\n")) <= set("█▀▄ ") for line in lines[1:])
    assert "https alone" in remarks


def test_https_with_a_certificate_of_ones_own(bundle: Path, tmp_path: Path) -> None:
    if shutil.which("openssl") is None:
        pytest.fail("this test makes a certificate with openssl: apt-get install openssl")
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    words = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    names = ["-subj", "/CN=edgekit", "-addext", "subjectAltName=IP:127.0.0.1"]
    files = ["-out", str(certificate), "-keyout", str(key)]
    subprocess.run([*words, *names, *files], check=True, capture_output=True)
    with running(site_app(read_site(bundle)), Certificate(certificate, key)) as url:
        assert url.startswith("https://")
        trust = ssl.create_default_context(cafile=str(certificate))
        assert httpx.get(url, verify=trust).content == FILES["index.html"]
    with pytest.raises(UsageError, match="no certificate and its key"):
        Certificate(key, certificate)
