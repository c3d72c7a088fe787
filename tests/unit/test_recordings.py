"""Recordings: what is written is read back, whatever breaks off or damages the file."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mcap.reader import make_reader
from mcap.writer import CompressionType, Writer

from cart.core.catalog import Catalog, Item, Tax
from cart.core.problem import Problem
from cart.recordings import RecordingError, RecordingWriter, open_recording
from cart.recordings.format import (
    COUNTS_MAX,
    COUNTS_MIN,
    LOOK,
    SCALE,
    SCANNER,
    STAFF,
    TOUCH,
    TRUTH,
    ScaleMessage,
    StaffMessage,
    TouchMessage,
    TruthEvent,
    read_settings,
)

CONFIG = '[scale]\ncounts_per_gram = 21.5\ntare_counts = 84213\n[scanner]\nsuffix = "\\r"\n'
CATALOG = Catalog(
    version=1,
    currency="EUR",
    locale="en_IE",
    taxes={"A": Tax(rate_bp=0)},
    items=(Item(sku="1", name="Milk", gtins=("09520000000011",), price_minor=149, weight_g=1034.0),),
)
CATALOG_JSON = msgspec.json.encode(CATALOG)


def writer_at(path: Path, *, flush_s: float = 60.0, config: str = CONFIG, replace: bool = False) -> RecordingWriter:
    return RecordingWriter(
        path,
        config_toml=config,
        catalog_json=CATALOG_JSON,
        cart_id="cart-1",
        made_by="test",
        flush_s=flush_s,
        replace=replace,
    )


def raw_recording(
    path: Path, messages: list[tuple[str, int, bytes]], *, encoding: str = "json", **options: object
) -> None:
    """A recording as another program may write it."""
    with path.open("wb") as stream:
        writer = Writer(stream, **options)  # type: ignore[arg-type]
        writer.start()
        channels: dict[str, int] = {}
        for topic, t_ns, data in messages:
            if topic not in channels:
                schema = writer.register_schema(topic, "jsonschema", b'{"type":"object"}')
                channels[topic] = writer.register_channel(topic, encoding, schema)
            writer.add_message(channels[topic], t_ns, data, t_ns)
        writer.add_attachment(0, 0, "cart.toml", "application/toml", CONFIG.encode())
        writer.add_attachment(0, 0, "catalog.json", "application/json", CATALOG_JSON)
        writer.finish()  # type: ignore[no-untyped-call]


def readable(path: Path) -> tuple[list[object], str]:
    """The bodies of all messages, or the line that says why there are none."""
    try:
        recording = open_recording(path)
    except RecordingError as error:
        return [], str(error)
    found: list[object] = [message.body for message in recording.messages()]
    return found, "" if found else recording.warnings[0]


def test_everything_written_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "a.mcap"
    with writer_at(path) as writer:
        writer.scale(1_000, 84213)
        writer.scanner(2_000, b"]E0\xff\r")
        writer.touch(3_000, "quantity", line=2, units=3)
        writer.write_untyped(LOOK, 4_000, {"frame_t_ns": 3_900, "direction": "in", "scores": {"apple": 0.5}})
        writer.write(STAFF, 5_000, StaffMessage(command_id="c", action="age_ok"))
        writer.write(TRUTH, 6_000, TruthEvent(event="put_in", rest_ns=5_500, sku="1", units=1, weight_g=1030.0))
        writer.close(truth={"basket": [{"sku": "1", "units": 1, "weight_g": None}], "honest": True, "more": 1})

    recording = open_recording(path)
    messages = list(recording.messages())
    truth = recording.truth()

    assert [(message.topic, message.t_ns) for message in messages] == [
        (SCALE, 1_000),
        (SCANNER, 2_000),
        (TOUCH, 3_000),
        (LOOK, 4_000),
        (STAFF, 5_000),
    ]
    assert messages[0].body == ScaleMessage(84213)
    assert messages[1].body == msgspec.json.decode(b'{"data":"XUUw/w0="}', type=type(messages[1].body))
    assert messages[2].body == TouchMessage("quantity", line=2, units=3)
    assert recording.truth_events() == [TruthEvent("put_in", 5_500, "1", 1, 1030.0)]
    assert truth is not None
    assert truth.honest
    assert truth.units_by_sku() == {"1": 1}
    assert recording.complete
    assert recording.warnings == []
    assert recording.metadata == {"version": "1", "cart_id": "cart-1", "made_by": "test"}
    assert recording.catalog == CATALOG
    assert recording.settings.scale.counts_per_gram == 21.5


def test_the_library_opens_it_with_its_index(tmp_path: Path) -> None:
    path = tmp_path / "a.mcap"
    with writer_at(path, flush_s=0.5) as writer:
        for number in range(200):
            writer.scale(number * 12_500_000, number)
    with path.open("rb") as stream:
        reader = make_reader(stream, validate_crcs=True)
        summary = reader.get_summary()
        decoded = [msgspec.json.decode(message.data) for _, _, message in reader.iter_messages()]
        names = [attachment.name for attachment in reader.iter_attachments()]
    assert summary is not None
    assert summary.statistics is not None
    assert len(summary.chunk_indexes) == 5
    assert decoded == [{"counts": number} for number in range(200)]
    assert names == ["cart.toml", "catalog.json"]


def test_an_address_typed_for_a_receipt_is_never_written(tmp_path: Path) -> None:
    path = tmp_path / "a.mcap"
    with writer_at(path) as writer:
        writer.touch(1, "receipt", to="someone@example.org")
        writer.write_untyped(TOUCH, 2, {"action": "receipt", "to": "someone@example.org"})
    with path.open("rb") as stream:
        written = [message.data for _, _, message in make_reader(stream).iter_messages()]
    assert written == [b'{"action":"receipt"}', b'{"action":"receipt"}']


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_cut_anywhere_it_yields_a_beginning_or_one_line(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("cut")
    path = folder / "whole.mcap"
    with writer_at(path, flush_s=0.2) as writer:
        for number in range(100):
            writer.scale(number * 12_500_000, number)
    whole = path.read_bytes()
    everything = [message.body for message in open_recording(path).messages()]
    size = data.draw(st.integers(0, len(whole) - 1))
    cut = folder / "cut.mcap"
    cut.write_bytes(whole[:size])
    found, line = readable(cut)
    assert found == everything[: len(found)]
    assert "\n" not in line
    assert (str(cut) in line) == (found == [])


def test_a_power_cut_costs_at_most_the_flush_interval(tmp_path: Path) -> None:
    path = tmp_path / "live.mcap"
    writer = writer_at(path, flush_s=1.0)
    for number in range(800):
        writer.scale(number * 12_500_000, number)
    taken = tmp_path / "taken.mcap"
    taken.write_bytes(path.read_bytes())  # what is on the disk at this instant, the file still open
    writer.close()
    recording = open_recording(taken)
    assert sum(1 for _ in recording.messages()) >= 800 - 80
    assert not recording.complete
    assert recording.warnings == [f"{taken}: cut short; using what is readable up to the cut"]


def test_damage_in_the_middle_ends_it_there_with_a_warning(tmp_path: Path) -> None:
    path = tmp_path / "a.mcap"
    with writer_at(path, flush_s=0.5) as writer:
        for number in range(200):
            writer.scale(number * 12_500_000, number)
    data = bytearray(path.read_bytes())
    with path.open("rb") as stream:
        summary = make_reader(stream).get_summary()
    assert summary is not None
    third = summary.chunk_indexes[2]
    data[third.chunk_start_offset + third.chunk_length - 20] ^= 0xFF
    path.write_bytes(data)
    recording = open_recording(path)
    found = [message.body for message in recording.messages()]
    assert found == [ScaleMessage(number) for number in range(len(found))]
    assert 0 < len(found) < 200
    assert "damaged" in recording.warnings[0]


def test_a_changed_digit_in_an_attachment_is_not_believed(tmp_path: Path) -> None:
    path = tmp_path / "a.mcap"
    raw_recording(path, [(SCALE, 1, b'{"counts": 555}')])
    data = path.read_bytes()
    assert data.count(b'"price_minor":149') == 1
    path.write_bytes(data.replace(b'"price_minor":149', b'"price_minor":109'))
    with pytest.raises(RecordingError, match=r"attachment catalog\.json is damaged; copy the file anew"):
        open_recording(path)


def test_a_changed_digit_in_an_uncompressed_chunk_is_not_believed(tmp_path: Path) -> None:
    path = tmp_path / "a.mcap"
    raw_recording(path, [(SCALE, 1, b'{"counts": 555}')], compression=CompressionType.NONE)
    path.write_bytes(path.read_bytes().replace(b'"counts": 555', b'"counts": 559'))
    recording = open_recording(path)
    assert list(recording.messages()) == []
    assert "damaged" in recording.warnings[0]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is empty"),
        (b"\x89MCAP0\r\n", "attachment cart.toml is cut short before it"),
        (b"not a recording at all", "is not an MCAP recording"),
        (b"\x89MCAP0\r\n" + b"\x00" * 200, "attachment cart.toml"),
        (b"\x89MCAP0\r\n" + b"\xff" * 200, "attachment cart.toml"),
    ],
)
def test_garbage_gets_one_line(tmp_path: Path, data: bytes, words: str) -> None:
    path = tmp_path / "bad.mcap"
    path.write_bytes(data)
    with pytest.raises(RecordingError, match=words) as caught:
        open_recording(path)
    assert "\n" not in str(caught.value)


def test_a_missing_file_and_a_folder_get_one_line(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="no such file; give the path"):
        open_recording(tmp_path / "none.mcap")
    with pytest.raises(RecordingError, match="cannot be read"):
        open_recording(tmp_path)


@pytest.mark.parametrize(
    ("topic", "data"),
    [
        (SCALE, b'{"counts": 8388608}'),
        (SCALE, b'{"counts": "7"}'),
        (SCALE, b'{"counts": 1.5}'),
        (SCALE, b"{}"),
        (SCALE, b"{"),
        (SCALE, b"\xff"),
        (SCANNER, b'{"data": "%%%"}'),
        (TOUCH, b'{"line": 1}'),
        (LOOK, b'{"frame_t_ns": 1, "scores": {"a": "b"}}'),
    ],
)
def test_a_wrong_message_is_left_out_and_named_with_its_time(tmp_path: Path, topic: str, data: bytes) -> None:
    path = tmp_path / "a.mcap"
    right = [(SCALE, t_ns, b'{"counts": 0}') for t_ns in (1_000_000_000, 2_000_000_000)]
    raw_recording(path, [right[0], (topic, 1_500_000_000, data), (topic, 1_600_000_000, data), right[1]])
    recording = open_recording(path)
    for _ in range(2):
        assert [message.t_ns for message in recording.messages()] == [1_000_000_000, 2_000_000_000]
    assert len(recording.warnings) == 1
    assert f"message on {topic} at 0.500 s is wrong" in recording.warnings[0]
    assert "and 1 more; left out" in recording.warnings[0]


def test_a_wrong_truth_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.mcap"
    raw_recording(path, [(SCALE, 1_000_000_000, b'{"counts": 0}'), (TRUTH, 1_500_000_000, b'{"event": "flew"}')])
    with pytest.raises(RecordingError, match=r"message on /truth at 0\.000 s is wrong"):
        open_recording(path).truth_events()


def test_counts_at_the_converters_limits_are_fine(tmp_path: Path) -> None:
    path = tmp_path / "a.mcap"
    limits = [COUNTS_MIN, COUNTS_MAX]
    raw_recording(path, [(SCALE, index, msgspec.json.encode({"counts": c})) for index, c in enumerate(limits)])
    assert [message.body for message in open_recording(path).messages()] == [ScaleMessage(c) for c in limits]


def test_unknown_fields_topics_and_tables_are_ignored(tmp_path: Path) -> None:
    path = tmp_path / "a.mcap"
    raw_recording(path, [("/new", 1, b'{"x": 1}'), (SCALE, 2, b'{"counts": 5, "gain": 128}')])
    assert [message.body for message in open_recording(path).messages()] == [ScaleMessage(5)]
    read = read_settings((CONFIG + "[new]\nkey = 1\n[policy]\nhint_s = 4.0\nnew = 2\n").encode(), source="x")
    assert read.policy.hint_s == 4.0


@pytest.mark.parametrize("chunked", [True, False])
@pytest.mark.parametrize("compression", [CompressionType.NONE, CompressionType.LZ4, CompressionType.ZSTD])
def test_messages_come_in_order_of_time_however_they_lie(
    tmp_path: Path, chunked: bool, compression: CompressionType
) -> None:
    path = tmp_path / "a.mcap"
    times = [(7 * number) % 50 for number in range(50)]
    raw_recording(
        path,
        [(SCALE, t, msgspec.json.encode({"counts": t})) for t in times],
        use_chunking=chunked,
        compression=compression,
        chunk_size=200,
    )
    assert [message.t_ns for message in open_recording(path).messages()] == sorted(times)


def test_other_encodings_and_versions_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.mcap"
    raw_recording(path, [(SCALE, 1, b'{"counts": 0}')], encoding="protobuf")
    with pytest.raises(RecordingError, match="encoded as 'protobuf', not json"):
        list(open_recording(path).messages())


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ("[scale", "its cart.toml is wrong"),
        ("[scale]\ntare_counts = 1\n", "counts_per_gram"),
        ("[scale]\ncounts_per_gram = 0\ntare_counts = 1\n", "no usable scale.counts_per_gram"),
        ("[scale]\ncounts_per_gram = nan\ntare_counts = 1\n", "no usable scale.counts_per_gram"),
        ("[scale]\ncounts_per_gram = 1\ntare_counts = 1\nsamples_per_second = 0\n", "samples_per_second"),
    ],
)
def test_a_wrong_configuration_gets_one_line(tmp_path: Path, config: str, words: str) -> None:
    path = tmp_path / "a.mcap"
    with writer_at(path, config=config) as writer:
        writer.scale(1, 0)
    with pytest.raises(RecordingError, match=words):
        open_recording(path)


def test_a_wrong_catalogue_gets_one_line_with_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.mcap"
    with RecordingWriter(path, config_toml=CONFIG, catalog_json=b'{"version": 1', cart_id="c", made_by="t") as writer:
        writer.scale(1, 0)
    with pytest.raises(Problem, match=r"a\.mcap: catalog\.json"):
        open_recording(path)


def test_an_existing_file_is_kept_unless_told(tmp_path: Path) -> None:
    path = tmp_path / "a.mcap"
    path.write_text("precious")
    with pytest.raises(RecordingError, match="exists already"):
        writer_at(path)
    assert path.read_text() == "precious"
    writer_at(path, replace=True).close()
    assert open_recording(path).complete


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux's always full disk")
def test_a_full_disk_gets_one_line() -> None:
    with pytest.raises(RecordingError, match="No space left on device"):
        writer_at(Path("/dev/full"), replace=True)


@pytest.mark.parametrize(
    ("event", "weight_g", "change_g"),
    [
        ("put_in", 5.0, 5.0),
        ("taken_out", 5.0, -5.0),
        ("taken_out", -5.0, -5.0),
        ("moved", 5.0, 0.0),
        ("put_in", None, None),
    ],
)
def test_truth_is_signed_by_its_event(event: str, weight_g: float | None, change_g: float | None) -> None:
    read = msgspec.convert({"event": event, "rest_ns": 1, "weight_g": weight_g}, TruthEvent)
    assert read.change_g == change_g


def test_an_attachment_longer_than_any_file_is_damage(tmp_path: Path) -> None:
    """Its length field may say anything up to 2**64 - 1: found by fuzzing."""
    path = tmp_path / "a.mcap"
    with path.open("wb") as stream:
        writer = Writer(stream, compression=CompressionType.NONE)
        writer.start()
        writer.add_attachment(create_time=0, log_time=0, name="cart.toml", media_type="t", data=b"DATA")
        writer.finish()  # type: ignore[no-untyped-call]
    data = path.read_bytes()
    length = (4).to_bytes(8, "little") + b"DATA"
    assert data.count(length) == 1
    path.write_bytes(data.replace(length, b"\xff" * 8 + b"DATA"))
    with pytest.raises(RecordingError, match=r"attachment cart\.toml is cut short"):
        open_recording(path)
