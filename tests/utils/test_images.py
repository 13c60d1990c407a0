"""Video frames as image files."""

import io
import sys

import pytest
from livekit import rtc
from PIL import Image

from lk_agents.foundation.errors import ConfigError
from lk_agents.utils.images import EncodeOptions, ResizeOptions, ResizeStrategy, encode

RED, GREEN, BLUE, BLACK = (255, 0, 0), (0, 255, 0), (0, 0, 255), (0, 0, 0)


def picture(width: int = 200, height: int = 100) -> rtc.VideoFrame:
    """Return a red picture whose left fifth is green and whose right fifth is blue."""
    row = b"".join(
        bytes((*(GREEN if x < width // 5 else BLUE if x >= width - width // 5 else RED), 255)) for x in range(width)
    )
    return rtc.VideoFrame(width, height, rtc.VideoBufferType.RGBA, row * height)


def resized(width: int, height: int, strategy: ResizeStrategy) -> Image.Image:
    options = EncodeOptions(format="PNG", resize_options=ResizeOptions(width, height, strategy))
    return Image.open(io.BytesIO(encode(picture(), options)))


@pytest.mark.parametrize(
    ("strategy", "square", "flat"),
    [
        ("skew", (64, 64), (400, 50)),
        ("center_aspect_fit", (64, 64), (400, 50)),
        ("center_aspect_cover", (64, 64), (400, 50)),
        ("scale_aspect_fit", (64, 32), (100, 50)),
        ("scale_aspect_cover", (128, 64), (400, 200)),
        ("scale_aspect_fill", (128, 64), (400, 200)),
    ],
)
def test_the_size_is_that_of_the_strategy(
    strategy: ResizeStrategy, square: tuple[int, int], flat: tuple[int, int]
) -> None:
    assert resized(64, 64, strategy).size == square
    assert resized(400, 50, strategy).size == flat


def test_fitting_into_the_middle_shows_all_and_black_around_it() -> None:
    image = resized(64, 64, "center_aspect_fit")

    assert [image.getpixel((32, y)) for y in (0, 14, 32, 49, 63)] == [BLACK, BLACK, RED, BLACK, BLACK]
    assert (image.getpixel((2, 32)), image.getpixel((61, 32))) == (GREEN, BLUE)


def test_covering_from_the_middle_fills_all_and_cuts_off_the_sides() -> None:
    image = resized(64, 64, "center_aspect_cover")

    assert {image.getpixel((x, y)) for x in (0, 32, 63) for y in (0, 63)} == {RED}


def test_skewing_keeps_the_sides() -> None:
    image = resized(64, 64, "skew")

    assert (image.getpixel((0, 63)), image.getpixel((63, 0))) == (GREEN, BLUE)


def test_a_picture_never_vanishes() -> None:
    options = EncodeOptions(format="PNG", resize_options=ResizeOptions(10, 10, "scale_aspect_fit"))

    assert Image.open(io.BytesIO(encode(picture(1000, 2), options))).size == (10, 1)


def test_jpeg_is_made_where_nothing_is_said() -> None:
    image = Image.open(io.BytesIO(encode(picture(), EncodeOptions())))

    assert (image.format, image.size, image.mode) == ("JPEG", (200, 100), "RGB")


def test_a_higher_quality_takes_more_bytes() -> None:
    sizes = [len(encode(picture(), EncodeOptions(quality=quality))) for quality in (10, 75, None, 95)]

    assert sizes[0] < sizes[1] == sizes[2] < sizes[3]


def test_the_quality_does_not_matter_for_png() -> None:
    assert encode(picture(), EncodeOptions("PNG", quality=1)) == encode(picture(), EncodeOptions("PNG"))


def test_other_kinds_of_frames_are_converted() -> None:
    frame = picture().convert(rtc.VideoBufferType.I420)
    image = Image.open(io.BytesIO(encode(frame, EncodeOptions("PNG"))))
    pixel = image.getpixel((100, 50))

    assert isinstance(pixel, tuple)
    assert all(abs(is_ - should) < 12 for is_, should in zip(pixel, RED, strict=True))


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (lambda: ResizeOptions(1, 1, "stretch"), "stretch"),  # type: ignore[arg-type]
        (lambda: ResizeOptions(0, 1, "skew"), "0 x 1"),
        (lambda: EncodeOptions("GIF"), "GIF"),  # type: ignore[arg-type]
        (lambda: EncodeOptions(quality=101), "101"),
    ],
)
def test_impossible_options_are_named(options: object, named: str) -> None:
    assert callable(options)
    with pytest.raises(ConfigError, match=named):
        options()


def test_without_pillow_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "PIL", None)

    with pytest.raises(ImportError, match=r"lk-agents\[images\]"):
        encode(picture(), EncodeOptions())
