"""TLS without a network: both sides in memory, and what passes between them cut anywhere."""

from __future__ import annotations

import ssl
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from propq_async._http.tls_layer import RenegotiationError, TlsLayer

versions = pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])


class Wire:
    """Where the layer writes to, in place of a transport."""

    def __init__(self) -> None:
        self.written = bytearray()

    def write(self, data: bytes) -> None:
        self.written += data

    def take(self) -> bytes:
        taken = bytes(self.written)
        self.written.clear()
        return taken


class Pair:
    """A layer, and a server of OpenSSL's that it talks to."""

    def __init__(
        self,
        pem: Path,
        version: ssl.TLSVersion,
        name: str = "localhost",
        *,
        shows_certificate: bool = False,
    ) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem)
        context.minimum_version = context.maximum_version = version
        if shows_certificate:
            context.load_verify_locations(f"{pem}.crt")
            context.verify_mode = ssl.CERT_REQUIRED
            context.post_handshake_auth = True
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.server = context.wrap_bio(self.incoming, self.outgoing, server_side=True)
        trusting = ssl.create_default_context(cafile=f"{pem}.crt")
        if shows_certificate:
            trusting.load_cert_chain(pem)
            trusting.post_handshake_auth = True
        wire: Any = Wire()
        self.wire = wire
        self.layer = TlsLayer(trusting, name, wire)
        self.room = memoryview(bytearray(200_000))

    def shake_hands(self, sizes: list[int]) -> None:
        self.layer.shake_hands()
        is_done = False
        while not (is_done and self.layer.is_open):
            self.incoming.write(self.wire.take())
            if not is_done:
                try:
                    self.server.do_handshake()
                    is_done = True
                except ssl.SSLWantReadError:
                    pass
            if not self.layer.is_open:
                for piece in pieces(self.outgoing.read(), sizes):
                    if self.layer.is_open:
                        self.layer.decrypt(piece, self.room)
                    else:
                        self.layer.shake_hands(piece)

    def said(self, data: bytes, sizes: list[int]) -> bytes:
        """Return what the layer makes of what the server says."""
        if data:
            self.server.write(data)
        read = b""
        for piece in pieces(self.outgoing.read(), sizes):
            read += self.room[: self.layer.decrypt(piece, self.room)]
        return read

    def heard(self) -> bytes:
        self.incoming.write(self.wire.take())
        heard = b""
        with suppress(ssl.SSLWantReadError):
            while self.incoming.pending:
                heard += self.server.read(65_536)
        return heard


def pieces(whole: bytes, sizes: list[int]) -> list[bytes]:
    cut: list[bytes] = []
    begin = 0
    while begin < len(whole):
        size = sizes[len(cut) % len(sizes)]
        cut.append(whole[begin : begin + size])
        begin += size
    return cut


@versions
@given(
    sizes=st.lists(st.integers(1, 40_000), min_size=1, max_size=5),
    texts=st.lists(st.binary(min_size=1, max_size=100).map(lambda one: one * 400), max_size=3),
)
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_both_sides_read_what_the_other_wrote_however_it_is_cut(
    certificate: Path, version: ssl.TLSVersion, sizes: list[int], texts: list[bytes]
) -> None:
    pair = Pair(certificate, version)
    pair.shake_hands(sizes)
    for text in texts:
        assert pair.said(text, sizes) == text
        # More than a record holds, as well.
        pair.layer.write(memoryview(text))
        assert pair.heard() == text
    assert not pair.layer.has_ended
    pair.layer.say_goodbye()
    assert pair.heard() == b""
    with pytest.raises(ssl.SSLError):
        pair.layer.write(memoryview(b"too late"))


class Partial:
    """OpenSSL's object, as if it took no more than so much at a time."""

    def __init__(self, whole: Any) -> None:
        self._whole = whole

    def write(self, data: memoryview) -> int:
        taken: int = self._whole.write(data[:1_000])
        return taken

    def __getattr__(self, name: str) -> Any:
        return getattr(self._whole, name)


@versions
def test_what_openssl_has_not_taken_follows(certificate: Path, version: ssl.TLSVersion) -> None:
    pair = Pair(certificate, version)
    pair.shake_hands([100])
    layer: Any = pair.layer
    layer._object = Partial(layer._object)
    text = bytes(range(256)) * 10
    layer.write(memoryview(text))
    assert pair.heard() == text


@versions
def test_byte_by_byte(certificate: Path, version: ssl.TLSVersion) -> None:
    pair = Pair(certificate, version)
    pair.shake_hands([1])
    assert pair.said(b"text" * 10, [1]) == b"text" * 10


@versions
def test_the_goodbye_of_the_server_comes_after_its_last_words(
    certificate: Path, version: ssl.TLSVersion
) -> None:
    pair = Pair(certificate, version)
    pair.shake_hands([65_536])
    pair.server.write(b"last words")
    with pytest.raises(ssl.SSLWantReadError):
        pair.server.unwrap()
    assert pair.said(b"", [65_536]) == b"last words"
    assert pair.layer.has_ended


@versions
def test_what_was_changed_on_its_way_is_refused(certificate: Path, version: ssl.TLSVersion) -> None:
    pair = Pair(certificate, version)
    pair.shake_hands([65_536])
    pair.said(b"good", [65_536])
    pair.server.write(b"bad")
    changed = bytearray(pair.outgoing.read())
    changed[-1] ^= 1
    with pytest.raises(ssl.SSLError):
        pair.layer.decrypt(bytes(changed), pair.room)


@versions
def test_the_server_is_told_why_its_certificate_is_refused(
    certificate: Path, version: ssl.TLSVersion
) -> None:
    pair = Pair(certificate, version, "another.example")
    with pytest.raises(ssl.SSLCertVerificationError, match=r"another\.example"):
        pair.shake_hands([65_536])
    pair.incoming.write(pair.wire.take())
    with pytest.raises(ssl.SSLError, match=r"(?i)alert"):
        pair.server.do_handshake()


def test_a_certificate_is_shown_when_the_server_asks_for_it_later(certificate: Path) -> None:
    """RFC 8446 section 4.6.2: the answer goes out though nobody writes."""
    pair = Pair(certificate, ssl.TLSVersion.TLSv1_3, shows_certificate=True)
    pair.shake_hands([65_536])
    pair.said(b"", [65_536])
    pair.server.verify_client_post_handshake()
    pair.server.write(b"who is there?")
    assert pair.said(b"", [65_536]) == b"who is there?"
    assert pair.heard() == b""
    assert pair.server.getpeercert(binary_form=True)


def test_before_a_handshake_there_is_no_goodbye(certificate: Path) -> None:
    pair = Pair(certificate, ssl.TLSVersion.TLSv1_3)
    pair.layer.say_goodbye()
    assert pair.wire.take() == b""


def test_a_renegotiation_says_that_it_is_refused() -> None:
    assert "renegotiate TLS, which is refused" in str(RenegotiationError())
