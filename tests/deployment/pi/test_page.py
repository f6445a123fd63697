"""The page that the app serves, in a browser with a phone's screen."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from edgekit.deployment.pi.files.classify.model import Model
from edgekit.deployment.pi.files.classify.service import Server

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

TOKEN = "a token/of two #words"
SEVEN = ((80, 70), (140, 70), (200, 72), (170, 140), (140, 220))


@pytest.fixture
def page(model: Model, chromium: "Browser") -> "Iterator[Callable[[str], Page]]":
    """Opens the page with what is behind the # of its address; whatever the console says fails the test."""
    server = Server(model, "127.0.0.1", 0, TOKEN)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    context = chromium.new_context(viewport={"width": 390, "height": 760}, has_touch=True)
    errors: list[str] = []

    def open_page(fragment: str) -> "Page":
        page = context.new_page()
        page.on("console", lambda message: errors.append(message.text))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(f"http://127.0.0.1:{server.server_port}/#{fragment}")
        return page

    yield open_page
    context.close()
    server.shutdown()
    thread.join()
    server.server_close()
    assert [error for error in errors if "401" not in error] == []


def test_a_drawn_digit_is_read(page: "Callable[[str], Page]") -> None:
    opened = page("a%20token%2Fof%20two%20%23words")
    box = opened.locator("#canvas").bounding_box()
    assert box is not None
    opened.mouse.move(box["x"] + SEVEN[0][0], box["y"] + SEVEN[0][1])
    opened.mouse.down()
    for x, y in SEVEN[1:]:
        opened.mouse.move(box["x"] + x, box["y"] + y, steps=5)
    opened.mouse.up()
    assert opened.locator("#guesses li").first.inner_text().startswith("7")
    assert "ms on the board" in opened.locator("#status").inner_text()
    opened.locator("#clear").click()
    assert opened.locator("#guesses li").count() == 0


def test_a_chosen_picture_is_read(page: "Callable[[str], Page]", digits: list[Path]) -> None:
    opened = page("a%20token%2Fof%20two%20%23words")
    opened.locator("#file").set_input_files(digits[1])
    assert opened.locator("#guesses li").first.inner_text().startswith("2")
    assert opened.locator("#preview").is_visible()


def test_without_the_token_the_page_says_so(page: "Callable[[str], Page]", digits: list[Path]) -> None:
    opened = page("wrong")
    opened.locator("#file").set_input_files(digits[1])
    opened.get_by_text("the token is missing or wrong").wait_for()
