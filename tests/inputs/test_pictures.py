import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgekit.data.files import prepare
from edgekit.errors import DataError
from edgekit.inputs.contract import InputContract
from edgekit.inputs.decode import decode_image
from edgekit.inputs.domains.photo import fit as to_photo
from edgekit.inputs.error import InputError


def encoded(image: Image.Image, form: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, form, **options)
    return stream.getvalue()


def gradient(mode: str) -> Image.Image:
    """A picture whose left is dark and whose right is light."""
    row = np.linspace(0, 255, 32).astype(np.uint8)
    return Image.fromarray(np.tile(row, (16, 1))).convert("RGB").convert(mode)


@pytest.mark.parametrize(
    ("mode", "form"),
    [
        ("RGB", "PNG"),
        ("P", "PNG"),
        ("P", "GIF"),
        ("CMYK", "JPEG"),
        ("CMYK", "TIFF"),
        ("YCbCr", "JPEG"),
        ("RGBA", "WEBP"),
    ],
)
def test_every_colour_mode_becomes_rgb(mode: str, form: str) -> None:
    pixels = decode_image(encoded(gradient(mode), form), "picture")
    assert pixels.dtype == np.uint8
    assert pixels.shape == (16, 32, 3)
    assert pixels[:, :4].mean() < 40
    assert pixels[:, -4:].mean() > 215


@pytest.mark.parametrize(("mode", "form"), [("L", "PNG"), ("L", "JPEG"), ("1", "PNG"), ("L", "PPM"), ("L", "BMP")])
def test_grey_pictures_keep_one_channel(mode: str, form: str) -> None:
    assert decode_image(encoded(gradient(mode), form), "picture").shape == (16, 32, 1)


@pytest.mark.parametrize("form", ["PNG", "TIFF", "PPM"])
def test_sixteen_bits_are_scaled_to_eight(form: str) -> None:
    values = np.array([[0, 257, 32_896, 65_535]], np.uint16)
    assert decode_image(encoded(Image.fromarray(values), form), "picture")[..., 0].tolist() == [[0, 1, 128, 255]]


def test_transparent_pixels_are_white_paper() -> None:
    ink = Image.new("RGBA", (4, 1), (0, 0, 0, 0))
    ink.putpixel((1, 0), (0, 0, 0, 255))
    assert decode_image(encoded(ink, "PNG"), "picture")[0, :, 0].tolist() == [255, 0, 255, 255]


def test_an_animation_gives_its_first_frame() -> None:
    frames = [Image.new("L", (6, 5), shade) for shade in (200, 100, 0)]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert abs(int(decode_image(data, "picture")[0, 0, 0]) - 200) <= 1


def test_the_exif_rotation_is_applied() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: rotate by 90 degrees to see it upright
    pixels = decode_image(encoded(gradient("L"), "PNG", exif=exif), "picture")
    assert pixels.shape == (32, 16, 1)
    assert pixels[0, 0, 0] == 0
    assert pixels[-1, 0, 0] == 255


def test_a_truncated_jpeg_is_refused_by_name() -> None:
    data = encoded(gradient("RGB").resize((200, 200)), "JPEG")
    with pytest.raises(InputError, match=r"photo\.jpg cannot be decoded"):
        decode_image(data[: len(data) // 2], "photo.jpg")


def test_text_named_png_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.png").write_text("not a picture\n")
    with pytest.raises(DataError, match=r"notes\.png is not an image of a known form"):
        prepare(tmp_path / "notes.png", InputContract(8, 8, 3))


def test_postscript_is_refused_since_opening_it_would_start_a_program() -> None:
    with pytest.raises(InputError, match="not an image of a known form"):
        decode_image(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n", "drawing.eps")


def test_an_image_bomb_is_refused_from_its_header() -> None:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", 50_000, 50_000, 8, 2, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000)))
    with pytest.raises(InputError, match=r"bomb\.png unpacks to more pixels than are safe"):
        decode_image(bomb + chunk(b"IEND", b""), "bomb.png")


@pytest.mark.parametrize("form", ["JPEG", "PNG", "GIF", "WEBP", "TIFF", "PPM"])
def test_every_cut_of_a_file_is_refused_by_name(form: str) -> None:
    data = encoded(gradient("RGB"), form)
    for length in range(1, len(data) * 3 // 4, 7):
        with pytest.raises(InputError, match=r"^cut\.img "):
            decode_image(data[:length], "cut.img")


@pytest.mark.parametrize(("name", "message"), [("absent.png", "does not exist"), (".", "is not a file")])
def test_a_path_that_is_no_file_is_refused(tmp_path: Path, name: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        prepare(tmp_path / name, InputContract(8, 8, 3))


def test_a_photo_is_cut_to_the_aspect_ratio_around_its_centre() -> None:
    wide = np.zeros((20, 60, 3), np.uint8)
    wide[:, 20:40] = 255
    assert to_photo(wide, (10, 10, 3))[:, 1:-1].min() == 255


def test_a_photo_of_the_right_shape_is_unchanged() -> None:
    image = np.random.default_rng(0).integers(0, 256, (8, 9, 3), np.uint8)
    assert np.array_equal(to_photo(image, (8, 9, 3)), image)


def test_shrinking_averages_instead_of_skipping_pixels() -> None:
    stripes = np.zeros((64, 64, 1), np.uint8)
    stripes[:, ::2] = 255
    assert np.abs(to_photo(stripes, (8, 8, 1)).astype(int) - 127).max() < 12


@pytest.mark.parametrize(("channels", "wanted"), [(1, 3), (3, 1)])
def test_grey_and_colour_are_converted(channels: int, wanted: int) -> None:
    image = np.full((5, 5, channels), 90, np.uint8)
    assert np.array_equal(to_photo(image, (5, 5, wanted)), np.full((5, 5, wanted), 90))


def test_a_contract_for_photos_fits_the_picture(tmp_path: Path) -> None:
    gradient("CMYK").save(tmp_path / "photo.jpg")
    assert prepare(tmp_path / "photo.jpg", InputContract(12, 10, 3)).shape == (12, 10, 3)


def test_a_contract_for_digits_names_the_file_that_shows_none(tmp_path: Path) -> None:
    Image.new("L", (50, 60), 180).save(tmp_path / "blank.png")
    with pytest.raises(DataError, match=r"blank\.png: no digit"):
        prepare(tmp_path / "blank.png", InputContract(28, 28, 1, domain="digit"))


def test_a_contract_for_larger_digits_resizes_them(tmp_path: Path) -> None:
    page = np.full((80, 60), 220, np.uint8)
    page[20:60, 28:33] = 30
    Image.fromarray(page).save(tmp_path / "one.png")
    image = prepare(tmp_path / "one.png", InputContract(32, 32, 1, domain="digit"))
    assert image.shape == (32, 32, 1)
    assert image[16, 16, 0] > 200
    assert image[0].max() == 0


def test_pictures_of_every_width_can_be_fitted() -> None:
    for width in range(1, 300):
        assert to_photo(np.zeros((310, width, 3), np.uint8), (28, 28, 3)).shape == (28, 28, 3)


def test_a_photo_for_an_input_of_two_channels_is_refused() -> None:
    with pytest.raises(InputError, match="2 are wanted"):
        to_photo(np.zeros((9, 9, 3), np.uint8), (8, 8, 2))


def test_a_picture_that_does_not_fit_into_memory_is_said_to_be_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    def exhausted(*_: object) -> None:
        raise MemoryError

    picture = encoded(gradient("L"), "PNG")
    monkeypatch.setattr(Image.Image, "load", exhausted)
    with pytest.raises(InputError, match=r"poster\.png needs more memory than there is; shrink it"):
        decode_image(picture, "poster.png")


def test_the_limit_of_pixels_is_the_one_at_which_pillow_warns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 500)  # it warns above that, and refuses above twice that
    with pytest.raises(InputError, match="unpacks to more pixels than are safe"):
        decode_image(encoded(gradient("L"), "PNG"), "poster.png")
