"""Video frames as JPEG or PNG, for models that look at pictures.

Needs Pillow, the extra ``images``: ``pip install 'lk-agents[images]'``.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, get_args

from lk_agents.foundation.errors import ConfigError

if TYPE_CHECKING:
    from livekit import rtc
    from PIL import Image

__all__ = ["EncodeOptions", "ImageFormat", "ResizeOptions", "ResizeStrategy", "encode"]

ImageFormat: TypeAlias = Literal["JPEG", "PNG"]
ResizeStrategy: TypeAlias = Literal[
    "center_aspect_fit",
    "center_aspect_cover",
    "scale_aspect_fit",
    "scale_aspect_cover",
    "scale_aspect_fill",
    "skew",
]


@dataclass(frozen=True)
class ResizeOptions:
    """The size of an image, in pixels, and how a picture of another shape is brought to it.

    What comes out of a picture of 200 x 100 for a size of 64 x 64:

    - ``skew``: 64 x 64, stretched;
    - ``center_aspect_fit``: 64 x 64, the whole picture in the middle and black around it;
    - ``center_aspect_cover``: 64 x 64, filled, and cut off at the sides;
    - ``scale_aspect_fit``: 64 x 32, as large as fits into the size;
    - ``scale_aspect_cover``, also called ``scale_aspect_fill``: 128 x 64, as small as covers the size.

    :raises ConfigError: the size is not positive, or there is no such strategy.
    """

    width: int
    height: int
    strategy: ResizeStrategy

    def __post_init__(self) -> None:
        if min(self.width, self.height) < 1:
            raise ConfigError(f"the size of an image is {self.width} x {self.height}; both must be 1 or more")
        _check("strategy", self.strategy, ResizeStrategy)


@dataclass(frozen=True)
class EncodeOptions:
    """How a frame is encoded.

    :param format: ``"JPEG"`` or ``"PNG"``.
    :param resize_options: None keeps the frame's size.
    :param quality: 0 to 100, for JPEG only; None leaves it to Pillow.
    :raises ConfigError: there is no such format, or the quality is out of range.
    """

    format: ImageFormat = "JPEG"
    resize_options: ResizeOptions | None = None
    quality: int | None = 75

    def __post_init__(self) -> None:
        _check("format", self.format, ImageFormat)
        if self.quality is not None and not 0 <= self.quality <= 100:
            raise ConfigError(f"the quality of an image is {self.quality!r}; it must be from 0 to 100")


def _check(name: str, value: str, allowed: Any) -> None:
    if value not in (names := get_args(allowed)):
        raise ConfigError(f"the {name} of an image is {value!r}; it must be one of {', '.join(names)}")


def encode(frame: rtc.VideoFrame, options: EncodeOptions) -> bytes:
    """Return ``frame`` as an image file. It takes milliseconds of CPU: call it in a thread where that matters.

    :raises ImportError: Pillow is missing; the text names the extra.
    """
    try:
        from PIL import Image
    except ImportError as error:
        raise ImportError(
            "encoding images needs Pillow; install it with: pip install 'lk-agents[images]'", name="PIL"
        ) from error
    from livekit import rtc

    if frame.type != rtc.VideoBufferType.RGBA:
        frame = frame.convert(rtc.VideoBufferType.RGBA)
    image = Image.frombytes("RGBA", (frame.width, frame.height), bytes(frame.data)).convert("RGB")
    if options.resize_options is not None:
        image = _resize(image, options.resize_options)
    file = io.BytesIO()
    quality: dict[str, Any] = {}
    if options.format == "JPEG" and options.quality is not None:
        quality["quality"] = options.quality
    image.save(file, options.format, **quality)
    return file.getvalue()


def _resize(image: Image.Image, options: ResizeOptions) -> Image.Image:
    box = (options.width, options.height)
    if options.strategy == "skew":
        return image.resize(box)
    ratios = box[0] / image.width, box[1] / image.height
    scale = min(ratios) if options.strategy.endswith("_fit") else max(ratios)
    scaled = image.resize((max(1, round(image.width * scale)), max(1, round(image.height * scale))))
    return _centred(scaled, box) if options.strategy.startswith("center_") else scaled


def _centred(image: Image.Image, box: tuple[int, int]) -> Image.Image:
    """Return an image of the size ``box``: what is larger is cut off evenly, what is smaller gets black around it."""
    from PIL import Image

    canvas: Final = Image.new("RGB", box)
    canvas.paste(image, ((box[0] - image.width) // 2, (box[1] - image.height) // 2))
    return canvas
