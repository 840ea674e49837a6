"""Uploads to real servers, which read a body as it comes."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
import requests

from tests.servers import KINDS, start
from tests.uploads import DATA, chunk, fmt, riff, sound

pytestmark = pytest.mark.slow
PATH = "/api/audio/materials?name=tone&license=CC0-1.0"


@pytest.mark.parametrize("kind", KINDS)
def test_a_body_in_pieces_is_taken_and_a_bad_header_answered_before_the_rest_has_come(kind: str) -> None:
    with start(kind) as server:
        account = {"username": "ada", "email": "ada@example.com", "password": "correct horse battery"}
        token = requests.post(server.url + "/api/auth/register", json=account, timeout=30).json()["access_token"]
        data = sound("WAV", "PCM_24", frames=200_000)

        def pieces() -> Iterator[bytes]:
            yield from (data[place : place + 10_007] for place in range(0, len(data), 10_007))

        taken = requests.post(server.url + PATH, data=pieces(), headers={"Authorization": f"Bearer {token}"}, timeout=30)
        assert (taken.status_code, taken.json()["file_bytes"]) == (201, len(data)), taken.text
        bad = riff(chunk(b"fmt ", fmt(channels=9)), DATA, size=50_000_000)
        # gunicorn reads whole kilobytes.
        assert b"file.channels" in answer_to(server.url, token, bad.ljust(2048, b"\x00"), 50_000_008)


def answer_to(url: str, token: str, beginning: bytes, length: int) -> bytes:
    """What a server answers to a body of so many bytes, of which it is sent the beginning alone."""
    place = urlsplit(url)
    with socket.create_connection((place.hostname, place.port), timeout=20) as connection:
        head = f"POST {PATH} HTTP/1.1\r\nHost: {place.netloc}\r\nAuthorization: Bearer {token}\r\nContent-Length: {length}\r\n\r\n"
        connection.sendall(head.encode() + beginning)
        answer = b""
        while b"request_id" not in answer:
            part = connection.recv(4096)
            assert part, "the server hung up"
            answer += part
    return answer
