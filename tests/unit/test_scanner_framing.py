"""The scanner's framing: the same codes however the bytes are cut, nothing but text let through, memory bounded."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.scanner_framing import CODE_BYTES_MAX, IDLE_NS, Frame, Framing, Refused, ScannerFramer

PLAIN = Framing(aim_ids=False)


def read_all(data: bytes, framing: Framing = Framing()) -> list[Frame | Refused]:  # noqa: B008 - frozen
    return ScannerFramer(framing).feed(data)


@pytest.mark.parametrize(
    ("data", "framing", "frames"),
    [
        (b"]E05011001234566\r", Framing(), [Frame("5011001234566", "]E0")]),
        (b"]E05011001234566\r\n]E496385074\r\n", Framing(), [Frame("5011001234566", "]E0"), Frame("96385074", "]E4")]),
        (b"5011001234566\r", Framing(), [Frame("5011001234566")]),
        (b"5011001234566\r", PLAIN, [Frame("5011001234566")]),
        (b"]E0123\r", PLAIN, [Frame("]E0123")]),
        (b"\x0212345670\x03", Framing(prefix="\x02", suffix="\x03", aim_ids=False), [Frame("12345670")]),
        (b"12345670\r\n", Framing(suffix="\r\n", aim_ids=False), [Frame("12345670")]),
        (b"]d20105011001234566\x1d10AB\r", Framing(), [Frame("0105011001234566\x1d10AB", "]d2")]),
        (b"0105011001234566\x1d10AB\r", PLAIN, [Frame("0105011001234566\x1d10AB")]),
        (b"\r\r\r", Framing(), []),
    ],
)
def test_codes_are_read(data: bytes, framing: Framing, frames: list[Frame]) -> None:
    assert read_all(data, framing) == frames


@pytest.mark.parametrize(
    ("data", "framing", "reason", "shown"),
    [
        (b"]E0\x1b[2J501\r", Framing(), "characters", "]E0\\x1b[2J501"),
        (b"]E050110\x00\xff\r", Framing(), "characters", "]E050110\\x00\\xff"),
        (b"]E0501\x1d10\r", Framing(), "characters", "]E0501\\x1d10"),
        (b"caf\xe9\r", PLAIN, "characters", "caf\\xe9"),
        (b"]E0\r", Framing(), "empty", "]E0"),
        (b"   \r", PLAIN, "empty", "   "),
        (b"123\x03", Framing(prefix="\x02", suffix="\x03"), "no_prefix", "123"),
        (b"A" * (CODE_BYTES_MAX + 1) + b"\r", Framing(), "too_long", "A" * 40 + "…"),
    ],
)
def test_the_rest_is_refused_and_shown_escaped(data: bytes, framing: Framing, reason: str, shown: str) -> None:
    (refused,) = read_all(data, framing)
    assert isinstance(refused, Refused)
    assert (refused.reason, refused.shown) == (reason, shown)


def test_after_ten_kilobytes_the_next_code_is_read() -> None:
    framer = ScannerFramer(Framing())
    done = framer.feed(b"]Q1" + b"'; DROP TABLE items; --" * 450 + b"\r]E096385074\r")
    assert [type(one).__name__ for one in done] == ["Refused", "Frame"]
    assert done[1] == Frame("96385074", "]E0")


def test_a_flood_without_an_end_is_held_in_bounds() -> None:
    framer = ScannerFramer(Framing())
    refused = [one for _ in range(1000) for one in framer.feed(b"x" * 1000)]
    assert [type(one).__name__ for one in refused] == ["Refused"]
    assert len(framer._partial) <= 2 * CODE_BYTES_MAX


def test_a_partial_is_dropped_when_it_has_hung_about() -> None:
    framer = ScannerFramer(Framing())
    assert framer.feed(b"]E05011001", 1000) == []
    assert framer.next_deadline_ns == 1000 + IDLE_NS
    assert framer.tick(999 + IDLE_NS) == []
    assert framer.tick(1000 + IDLE_NS) == [Refused("cut_off", "]E05011001")]
    assert framer.next_deadline_ns is None


def test_the_tail_of_a_dropped_code_is_no_ghost_item() -> None:
    framer = ScannerFramer(Framing())
    framer.feed(b"]E050110", 0)
    assert framer.drop() == [Refused("cut_off", "]E050110")]
    assert framer.feed(b"96385074\r", 10) == [Refused("cut_off", "96385074")]
    assert framer.feed(b"96385074\r", 20) == [Frame("96385074")]
    framer.feed(b"]E050110", 30)
    framer.drop()
    assert framer.feed(b"]E496385074\r", 40) == [Frame("96385074", "]E4")]


def test_a_line_feed_after_the_suffix_is_no_partial() -> None:
    framer = ScannerFramer(Framing())
    assert framer.feed(b"]E0123\r\n", 0) == [Frame("123", "]E0")]
    assert framer.tick(IDLE_NS) == []
    assert framer.feed(b"123\r\n", 2 * IDLE_NS) == [Frame("123")]


def test_time_in_feed_drops_what_is_too_old() -> None:
    framer = ScannerFramer(Framing())
    framer.feed(b"]E0501", 0)
    assert framer.feed(b"]E0123\r", IDLE_NS) == [Refused("cut_off", "]E0501"), Frame("123", "]E0")]


@pytest.mark.parametrize("suffix", ["", "A", "00", "\x1d"])
def test_a_suffix_that_could_stand_in_a_code_is_refused(suffix: str) -> None:
    with pytest.raises(ValueError, match="control character"):
        Framing(suffix=suffix)


BYTES = st.lists(
    st.sampled_from([b"]E0", b"5011001234566", b"\r", b"\n", b"\x1d", b"]d2", b"\x00", b"\xff", b"a" * 300, b"\x02"]),
    max_size=30,
).map(b"".join)


@given(
    data=BYTES,
    cuts=st.lists(st.integers(0, 3000)),
    framing=st.sampled_from([Framing(), PLAIN, Framing("\x02", "\r\n")]),
)
def test_cuts_change_nothing(data: bytes, cuts: list[int], framing: Framing) -> None:
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    framer = ScannerFramer(framing)
    pieces = [one for start, end in itertools.pairwise(edges) for one in framer.feed(data[start:end])]
    assert pieces == read_all(data, framing)


@given(data=st.binary(max_size=2000))
def test_nothing_but_text_comes_through(data: bytes) -> None:
    for one in read_all(data + b"\r"):
        text = one.text if isinstance(one, Frame) else one.shown.replace("…", "")
        assert all(32 <= ord(character) < 127 or character == "\x1d" for character in text)


@given(texts=st.lists(st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=80), max_size=5))
def test_what_a_scanner_sends_is_what_is_read(texts: list[str]) -> None:
    data = b"".join(b"]Q1" + text.encode() + b"\r" for text in texts)
    assert read_all(data) == [Frame(text, "]Q1") for text in texts]
