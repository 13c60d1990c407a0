"""Decoding compressed audio as it comes in: mp3, wav, ogg/opus, flac, aac and whatever else FFmpeg knows.

Needs PyAV, the extra ``codecs``: ``pip install 'lk-agents[codecs]'``. **Its licence:** PyAV's own code is under the BSD
licence, but the wheels on PyPI carry FFmpeg together with libx264 and libx265, which are under the GPL (version 2 or
later). Nothing here uses these two, yet whoever passes such a wheel on, in a container image for example, passes on GPL
software. To avoid that, build PyAV against an FFmpeg of your own without them: ``pip install --no-binary av av``.
"""

from __future__ import annotations

from lk_agents.utils.codecs.decoder import AudioStreamDecoder, FileDecoder
from lk_agents.utils.codecs.decoding import DecodeError
from lk_agents.utils.codecs.stream_buffer import StreamBuffer

__all__ = ["AudioStreamDecoder", "DecodeError", "FileDecoder", "StreamBuffer"]
