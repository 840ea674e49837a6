"""What a sound file says of itself: its title, who made it, and where it comes from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any

from app.engine import VERSION

SOFTWARE = f"Harmonic Universe, engine {VERSION}"

_ID3 = {"title": "TIT2", "artist": "TPE1", "license": "TCOP", "comment": "COMM", "software": "TSSE"}
_UTF8 = b"\x03"


@dataclass(frozen=True, slots=True)
class Tags:
    """Texts by the names that libsndfile has for them; an empty one is left out.

    Equal samples and tags give equal files, so nothing here may tell the time.
    """

    title: str = ""
    artist: str = ""
    license: str = ""
    comment: str = ""
    software: str = SOFTWARE

    def texts(self) -> Iterator[tuple[str, str]]:
        """Names and texts, in one line each."""
        for field in fields(self):
            text = "".join(sign if sign.isprintable() else " " for sign in getattr(self, field.name)).strip()
            if text:
                yield field.name, text

    def put(self, file: Any) -> None:
        """Give them to a file of libsndfile's that is to be written. WAV has no word for a license; it is the copyright there."""
        for name, text in self.texts():
            setattr(file, name, text)
            if name == "license":
                file.copyright = text

    def id3(self) -> bytes:
        """As an ID3v2.4 tag, for the beginning of an MP3 file: text frames in UTF-8."""
        frames = b"".join(_frame(_ID3[name], text) for name, text in self.texts())
        return b"ID3\x04\x00\x00" + _syncsafe(len(frames)) + frames if frames else b""


def _frame(name: str, text: str) -> bytes:
    """A frame; a comment has a language and a short description before its text."""
    data = _UTF8 + (b"eng\x00" if name == "COMM" else b"") + text.encode()
    return name.encode() + _syncsafe(len(data)) + bytes(2) + data


def _syncsafe(size: int) -> bytes:
    """A size in four bytes of seven bits."""
    return bytes(size >> shift & 0x7F for shift in (21, 14, 7, 0))
