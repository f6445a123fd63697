"""The page in a real browser with a phone's screen and touch."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect
from static_site import Site

from edgekit.data.dataset import Dataset
from edgekit.evaluation.classifier import Classifier

STUDENT = Path(__file__).parents[3] / "students" / "mnist-tiny"
Stroke = list[tuple[float, float]]

# Strokes on a sheet of 1 by 1.
DIGITS: dict[str, list[Stroke]] = {
    "1": [[(0.5, 0.2), (0.5, 0.5), (0.5, 0.8)]],
    "7": [[(0.3, 0.25), (0.5, 0.25), (0.7, 0.25), (0.6, 0.5), (0.5, 0.8)]],
    "4": [[(0.35, 0.2), (0.33, 0.35), (0.3, 0.5), (0.5, 0.5), (0.7, 0.5)], [(0.62, 0.2), (0.6, 0.5), (0.58, 0.85)]],
}


def opened(page: Page, site: Site) -> None:
    page.goto(site.url)
    page.wait_for_selector("html[data-ready]")


def draw(page: Page, strokes: list[Stroke]) -> None:
    box = page.locator("#paper").bounding_box()
    assert box is not None
    client = page.context.new_cdp_session(page)
    for stroke in strokes:
        places = [{"x": box["x"] + x * box["width"], "y": box["y"] + y * box["height"]} for x, y in stroke]
        for index, place in enumerate(places):
            kind = "touchMove" if index else "touchStart"
            client.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [place]})
        client.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


def expect_answer(page: Page, label: str) -> None:
    expect(page.locator("#best")).to_have_text(label)


def look(page: Page, images: np.ndarray[Any, Any]) -> list[list[int]]:
    """The output tensor of the page's student for each image uint8 [H, W, C]."""
    _, height, width, channels = images.shape
    script = """async ({images, width, height, channels}) => {
        const {openStudent} = await import("./student.js");
        const student = await openStudent();
        const results = [];
        for (const data of images) {
            const {output} = await student.look({width, height, channels, data: Uint8Array.from(data)});
            results.push(Array.from(output));
        }
        return results;
    }"""
    given = {"images": images.reshape(len(images), -1).tolist(), "width": width, "height": height, "channels": channels}
    return list(page.evaluate(script, given))


@pytest.mark.parametrize("runtime", ["c", "litert"])
@pytest.mark.parametrize("label", list(DIGITS))
def test_a_digit_drawn_with_a_finger_is_read(
    phone: Page, serve: Callable[[Path], Site], make_bundle: Callable[..., Path], label: str, runtime: str
) -> None:
    opened(phone, serve(make_bundle(f"mnist-tiny@{runtime}")))
    draw(phone, DIGITS[label])
    expect_answer(phone, label)
    assert re.fullmatch(r"\d+\.\d ms", phone.inner_text("#latency"))
    phone.click("#clear")
    expect_answer(phone, "–")


def test_after_the_first_visit_it_works_without_a_network(
    phone: Page, serve: Callable[[Path], Site], digits_bundle: Path
) -> None:
    site = serve(digits_bundle)
    opened(phone, site)
    phone.wait_for_selector("html[data-offline=ready]")
    before = len(site.sent)
    phone.context.set_offline(True)
    phone.reload()
    phone.wait_for_selector("html[data-ready]")
    draw(phone, DIGITS["7"])
    expect_answer(phone, "7")
    # A browser may look for a new service worker at any time.
    assert {name for name, _ in site.sent[before:]} <= {"sw.js", "precache.js"}


def test_the_whole_first_visit_of_a_compiled_student_is_40_kilobytes(
    phone: Page, serve: Callable[[Path], Site], make_bundle: Callable[..., Path]
) -> None:
    site = serve(make_bundle("mnist-tiny@c"))
    opened(phone, site)
    phone.wait_for_selector("html[data-offline=ready]")
    expect(phone.locator("#odd")).to_be_empty()
    names = [name for name, _ in site.sent if not name.startswith("icons/")]
    own = ("index.html", "style.css", "app.js", "app.webmanifest", "sw.js", "precache.js", "NOTICE.txt")
    assert sorted(names) == sorted((*own, "model.json", "model.wasm"))
    assert sum(size for _, size in site.sent) <= 40_000


@pytest.mark.parametrize(("runtime", "there"), [("c", "tflm"), ("litert", "litert"), ("ort", "ort")])
def test_the_integers_are_those_of_the_host(
    phone: Page,
    serve: Callable[[Path], Site],
    make_bundle: Callable[..., Path],
    mnist: Dataset,
    runtime: str,
    there: str,
) -> None:
    folder = make_bundle(f"mnist-tiny@{runtime}")
    assert mnist.test.labels is not None
    images = mnist.test.images[np.arange(32)]
    file = STUDENT / f"model.int8.{'onnx' if runtime == 'ort' else 'tflite'}"
    with Classifier(file, runtime=there, threads=1) as classifier:
        expected = classifier.stored(images)
    phone.goto(f"{serve(folder).url}NOTICE.txt")  # the page's scripts without the page
    seen = np.array(look(phone, images))
    # The kernels of ONNX Runtime differ from one processor to another by their rounding.
    assert np.abs(seen - expected).max() <= (1 if runtime == "ort" else 0)


def test_a_picture_from_a_file_is_classified_as_on_the_host(
    phone: Page, serve: Callable[[Path], Site], photos_bundle: Path, mnist: Dataset, tmp_path: Path
) -> None:
    digit = mnist.test.images[np.arange(1)]
    Image.fromarray(digit[0, ..., 0]).save(tmp_path / "picture.png")
    with Classifier(photos_bundle / "model.tflite", threads=1) as classifier:
        expected = classifier.stored(digit)[0]
    opened(phone, serve(photos_bundle))
    assert phone.locator("#paper").is_hidden()
    phone.set_input_files("#file", tmp_path / "picture.png")
    expect_answer(phone, "7")
    assert phone.get_attribute("html", "data-output") == " ".join(map(str, expected))


def test_of_many_classes_none_is_shown_before_there_is_an_answer(
    phone: Page, serve: Callable[[Path], Site], digits_bundle: Path
) -> None:
    opened(phone, serve(digits_bundle))
    show_many = """async (answer) => {
        const {answerView} = await import("./answer.js");
        document.querySelector("#labels").replaceChildren();
        const view = answerView(Array.from({length: 12}, (_, i) => `kind ${i}`));
        if (answer) view.show({probabilities: Array(12).fill(1 / 12), ms: 1});
    }"""
    phone.evaluate(show_many, False)
    expect(phone.locator("#labels")).to_be_hidden()
    phone.evaluate(show_many, True)
    expect(phone.locator("#labels li")).to_have_count(10)
    expect(phone.locator("#labels")).to_be_visible()


def test_a_photo_that_was_taken_sideways_is_turned_upright(
    phone: Page, serve: Callable[[Path], Site], photos_bundle: Path, tmp_path: Path
) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by a quarter
    Image.new("RGB", (60, 40), "gray").save(tmp_path / "sideways.jpg", exif=exif)
    opened(phone, serve(photos_bundle))
    phone.set_input_files("#file", tmp_path / "sideways.jpg")
    expect(phone.locator("#best")).not_to_have_text("–")
    assert phone.evaluate("(({width, height}) => [width, height])(document.querySelector('#picture'))") == [40, 60]


def test_a_file_that_is_no_picture_is_refused_by_name(
    phone: Page, serve: Callable[[Path], Site], photos_bundle: Path, tmp_path: Path
) -> None:
    (tmp_path / "noise.png").write_bytes(b"no picture at all")
    opened(phone, serve(photos_bundle))
    phone.set_input_files("#file", tmp_path / "noise.png")
    phone.wait_for_selector("#status.problem")
    assert "noise.png cannot be read as a picture" in phone.inner_text("#status")


def test_the_camera_is_classified_live_until_it_is_stopped(
    phone: Page, serve: Callable[[Path], Site], photos_bundle: Path
) -> None:
    phone.context.grant_permissions(["camera"])
    opened(phone, serve(photos_bundle))
    phone.click("#live")
    expect(phone.locator("#best")).not_to_have_text("–")
    assert phone.inner_text("#live") == "Stop"
    phone.click("#live")
    assert phone.evaluate("document.querySelector('#camera').srcObject") is None


@pytest.mark.parametrize("runtime", ["c", "litert", "ort"])
def test_many_runs_do_not_fill_the_memory(
    phone: Page, serve: Callable[[Path], Site], make_bundle: Callable[..., Path], runtime: str
) -> None:
    phone.goto(f"{serve(make_bundle(f'mnist-tiny@{runtime}')).url}NOTICE.txt")
    script = """async () => {
        const {openStudent} = await import("./student.js");
        const grow = WebAssembly.Memory.prototype.grow;
        let grown = 0;
        WebAssembly.Memory.prototype.grow = function (pages) {
            grown += pages;
            return grow.call(this, pages);
        };
        const student = await openStudent();
        const image = {width: 28, height: 28, channels: 1, data: new Uint8Array(784).fill(200, 300, 400)};
        const run = async (times) => {
            for (let i = 0; i < times; i++) await student.look(image);
            return grown;
        };
        return [await run(100), await run(3000)];
    }"""
    before, after = phone.evaluate(script)
    assert after == before


def test_no_script_but_the_bundles_own_can_run(
    phone: Page, serve: Callable[[Path], Site], photos_bundle: Path, complaints: list[str]
) -> None:
    opened(phone, serve(photos_bundle))
    phone.evaluate("""() => {
        const script = document.createElement("script");
        script.textContent = "document.body.dataset.broken = 'yes'";
        document.body.append(script);
    }""")
    assert phone.get_attribute("body", "data-broken") is None
    assert complaints
    assert all("Content Security Policy" in complaint for complaint in complaints)
    complaints.clear()


def test_a_file_that_was_changed_on_the_way_is_not_kept(
    phone: Page, serve: Callable[[Path], Site], photos_bundle: Path
) -> None:
    site = serve(photos_bundle)
    site.extra["model.tflite"] = (photos_bundle / "model.tflite").read_bytes() + b"\0"
    opened(phone, site)
    expect(phone.locator("#offline")).to_contain_text("Not kept offline")
    assert phone.evaluate("caches.keys().then(names => names.length)") <= 1
    phone.evaluate("caches.keys().then(names => Promise.all(names.map(name => caches.delete(name))))")


def test_a_new_version_takes_the_old_ones_place_whole(
    phone: Page, serve: Callable[[Path], Site], digits_bundle: Path, photos_bundle: Path
) -> None:
    site = serve(digits_bundle)
    opened(phone, site)
    phone.wait_for_selector("html[data-offline=ready]")
    site.folder = photos_bundle
    before = len(site.sent)
    phone.evaluate("""async () => {
        const registration = await navigator.serviceWorker.getRegistration();
        const replaced = new Promise((done) => navigator.serviceWorker.addEventListener("controllerchange", done));
        await registration.update();
        await replaced;
    }""")
    assert "litert/litert_wasm_compat_internal.wasm" not in [name for name, _ in site.sent[before:]]
    phone.context.set_offline(True)
    phone.reload()
    expect(phone.locator("#name")).to_have_text("mnist-linear")


def test_over_plain_http_it_works_and_says_what_is_missing(
    phone: Page, serve: Callable[[Path], Site], digits_bundle: Path, complaints: list[str]
) -> None:
    site = serve(digits_bundle)
    phone.goto(site.url.replace("127.0.0.1", "phone.test"))
    phone.wait_for_selector("html[data-ready]")
    assert "plain HTTP" in phone.inner_text("#offline")
    assert phone.locator("#live").is_hidden()
    draw(phone, DIGITS["1"])
    expect_answer(phone, "1")
    complaints.clear()  # that isolation headers mean nothing here


def test_every_control_has_a_name_and_can_be_touched(
    phone: Page, serve: Callable[[Path], Site], digits_bundle: Path
) -> None:
    opened(phone, serve(digits_bundle))
    for control in phone.locator("button:visible, label.button:visible, a:visible").all():
        assert control.inner_text().strip()
    for control in phone.locator("button:visible, label.button:visible").all():
        box = control.bounding_box()
        assert box is not None
        assert min(box["width"], box["height"]) >= 44
    for picture in phone.locator("canvas, video").all():
        assert picture.get_attribute("aria-label")
    assert phone.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert phone.locator("html").get_attribute("lang") == "en"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_of_its_background(
    phone: Page, serve: Callable[[Path], Site], digits_bundle: Path, scheme: Any
) -> None:
    phone.emulate_media(color_scheme=scheme)
    opened(phone, serve(digits_bundle))
    for selector, ground in (("#status", "body"), ("#name", "body"), ("#clear", "#clear"), ("a", "body")):
        text = phone.evaluate("s => getComputedStyle(document.querySelector(s)).color", selector)
        back = phone.evaluate("s => getComputedStyle(document.querySelector(s)).backgroundColor", ground)
        assert contrast(text, back) >= 4.5, (selector, text, back)


def contrast(one: str, other: str) -> float:
    """The contrast ratio of two CSS colours (WCAG 2.2)."""
    values = [luminance(colour) for colour in (one, other)]
    return (max(values) + 0.05) / (min(values) + 0.05)


def luminance(colour: str) -> float:
    parts = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))


def test_a_phone_that_answers_as_the_host_did_says_nothing(
    phone: Page, serve: Callable[[Path], Site], digits_bundle: Path
) -> None:
    opened(phone, serve(digits_bundle))
    expect(phone.locator("#odd")).to_be_empty()


def test_a_phone_that_answers_differently_says_so(
    phone: Page, serve: Callable[[Path], Site], digits_bundle: Path, tmp_path: Path
) -> None:
    own = Path(shutil.copytree(digits_bundle, tmp_path / "own"))
    about = json.loads((own / "model.json").read_text())
    about["golden"]["output"][2] += 40
    (own / "model.json").write_text(json.dumps(about))
    for copy in own.glob("model.json.*"):
        copy.unlink()
    opened(phone, serve(own))
    expect(phone.locator("#odd")).to_contain_text("a value is off by 40, where rounding explains 3.")
