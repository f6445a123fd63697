"""The site that a page measures at: one job at a time, at a secret address, and a result that is asked for."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from edgekit.devices.browser.site import MAX_RESULT_BYTES, BenchSite
from edgekit.errors import DeviceError, UsageError


@pytest.fixture
def site() -> Iterator[BenchSite]:
    opened = BenchSite(lan=False)
    yield opened
    opened.close()


def beside(site: BenchSite, name: str) -> str:
    return site.address.rpartition("/")[0] + f"/{name}"


def test_a_page_gets_its_files_and_its_job_and_posts_what_it_found(site: BenchSite) -> None:
    site.offer({"bench.html": b"<p>", "a/b.wasm": b"\0asm", "c.mjs": b"x"}, {"runs": 3})
    assert not site.wait_for_page(0)
    page = httpx.get(site.address)
    assert (page.content, page.headers["content-type"]) == (b"<p>", "text/html; charset=utf-8")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert httpx.get(beside(site, "a/b.wasm")).headers["content-type"] == "application/wasm"
    assert httpx.get(beside(site, "c.mjs")).headers["content-type"].startswith("text/javascript")
    assert httpx.get(beside(site, "job.json")).json() == {"runs": 3}
    assert site.wait_for_page(0)
    with ThreadPoolExecutor() as pool:
        answer = pool.submit(httpx.post, beside(site, "result"), json={"load_ms": 1}, timeout=60)
        assert site.result(10) == {"load_ms": 1}
        site.close()
        assert answer.result().status_code == 204


def test_a_page_that_has_finished_is_told_to_come_again_when_there_is_another_job(site: BenchSite) -> None:
    site.offer({}, {"number": 1})
    with ThreadPoolExecutor() as pool:
        answer = pool.submit(httpx.post, beside(site, "result"), json={}, timeout=60)
        assert site.result(10) == {}
        site.offer({}, {"number": 2})
        assert answer.result().status_code == 205
    assert httpx.get(beside(site, "job.json")).json() == {"number": 2}


def test_nothing_is_there_without_the_secret_and_no_name_leads_out(site: BenchSite) -> None:
    site.offer({"bench.html": b"<p>"}, {})
    origin = site.address.split("/")[2]
    for path in ("", "bench.html", "job.json", "wrong/bench.html"):
        assert httpx.get(f"http://{origin}/{path}").status_code == 404
    assert httpx.post(f"http://{origin}/wrong/result", json={}).status_code == 404
    for name in ("../../etc/passwd", "%2e%2e/%2e%2e/etc/passwd", "/etc/passwd"):
        assert httpx.get(beside(site, name)).status_code == 404
    assert site.result(0.1) is None


def test_a_result_that_is_none_or_too_large_is_refused(site: BenchSite) -> None:
    site.offer({}, {})
    chunk = bytes(1 << 20)
    too_large = (chunk for _ in range((MAX_RESULT_BYTES >> 20) + 1))
    assert httpx.post(beside(site, "result"), content=too_large, timeout=60).status_code == 413
    assert site.result(0.1) is None
    threading.Thread(target=httpx.post, args=(beside(site, "result"),), kwargs={"content": b"[1]"}, daemon=True).start()
    with pytest.raises(DeviceError, match="something that is no result"):
        site.result(10)


def test_without_the_extra_serve_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "uvicorn", None)
    with pytest.raises(UsageError, match=r"run: pip install .*\[serve\]'"):
        BenchSite(lan=False)
