"""The outbox's flow control, and the sender against a store that loses, repeats and refuses."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from cart.core.chain import GENESIS, LedgerRow
from cart.journal import AckOutcome
from cart.sync import outbox
from cart.sync.messages import LedgerAckMessage
from cart.sync.outbox import OutboxSender, Window


def row(seq: int) -> LedgerRow:
    return LedgerRow(seq=seq, boot="b", wall_ms=0, t_ns=0, trip_id="", body="{}", prev=GENESIS, hash=f"{seq:064d}")


class Source:
    """A journal in memory: rows 1…n, cleared as acknowledged."""

    def __init__(self, count: int) -> None:
        self.acked = 0
        self.count = count
        self.oldest = (1, GENESIS)

    async def unacknowledged(self, after_seq: int, limit: int) -> list[LedgerRow]:
        first = max(after_seq, self.acked) + 1
        return [row(seq) for seq in range(first, min(self.count, first + limit - 1) + 1)]

    async def acknowledge(self, chain: str, seq: int, row_hash: str) -> AckOutcome:
        if chain != "c0" or row_hash != f"{seq:064d}":
            return AckOutcome(0, foreign=True)
        if seq > self.count:
            return AckOutcome(0, cut_back=True)
        self.acked = max(self.acked, seq)
        return AckOutcome(seq)

    async def owe_again(self, first_seq: int) -> int:
        again = max(0, self.acked - first_seq + 1)
        self.acked -= again
        return again


def run_sender(source: Source, send: Callable[[OutboxSender, LedgerRow], bool], seconds: float = 2.0) -> OutboxSender:
    """Run until everything is acknowledged, or the time is over."""

    async def run() -> OutboxSender:
        sender = OutboxSender(source, lambda one: send(sender, one))
        task = asyncio.create_task(sender.run())
        sender.link_changed(True)
        for _ in range(round(seconds / 0.005)):
            if source.acked == source.count:
                break
            await asyncio.sleep(0.005)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return sender

    return asyncio.run(run())


def ack(seq: int, resend_from: int | None = None, chain: str = "c0") -> LedgerAckMessage:
    return LedgerAckMessage(cart_id="cart-1", chain=chain, seq=seq, hash=f"{seq:064d}", resend_from=resend_from)


def test_everything_goes_in_order_with_at_most_a_window_in_flight() -> None:
    source, sent, in_flight = Source(200), [], []

    def send(sender: OutboxSender, one: LedgerRow) -> bool:
        sent.append(one.seq)
        in_flight.append(one.seq - source.acked)
        if one.seq % 10 == 0:
            sender.acknowledged(ack(one.seq))
        return True

    run_sender(source, send)
    assert sent == list(range(1, 201))
    assert max(in_flight) <= outbox.WINDOW_ROWS


def test_without_the_stores_word_nothing_leaves_the_outbox() -> None:
    source = Source(5)
    sent: list[int] = []

    def send(_: OutboxSender, one: LedgerRow) -> bool:
        sent.append(one.seq)
        return True

    run_sender(source, send, 0.2)
    assert sent == [1, 2, 3, 4, 5]
    assert source.acked == 0


def test_a_row_lost_on_the_way_is_asked_for_and_sent_again() -> None:
    source = Source(12)
    lost, sent, held = {4}, [], [0]

    def send(sender: OutboxSender, one: LedgerRow) -> bool:
        sent.append(one.seq)
        if one.seq in lost:
            lost.discard(one.seq)
        elif one.seq == held[0] + 1:
            held[0] = one.seq
            sender.acknowledged(ack(one.seq))
        elif one.seq > held[0] + 1:
            sender.acknowledged(ack(held[0], resend_from=held[0] + 1))
        return True

    run_sender(source, send)
    assert source.acked == 12
    assert sent.count(4) == 2


def test_an_acknowledgement_of_another_chain_clears_nothing() -> None:
    source = Source(3)

    def send(sender: OutboxSender, one: LedgerRow) -> bool:
        sender.acknowledged(ack(one.seq, chain="another"))
        return True

    run_sender(source, send, 0.2)
    assert source.acked == 0


def test_silence_is_waited_out_ever_longer_and_progress_resets_it() -> None:
    window, now_s, waits = Window(), 0.0, []
    for _ in range(7):
        window.sent(now_s, 1, 100)
        wait_s = window.wait_s(now_s)
        assert wait_s is not None
        waits.append(wait_s)
        now_s += wait_s
        assert window.overdue(now_s)
        window.rewind()
    assert waits == [3.0, 6.0, 12.0, 24.0, 48.0, 60.0, 60.0]
    window.sent(now_s, 1, 100)
    window.acknowledged(now_s, 1)
    assert window.wait_s(now_s) is None
    window.sent(now_s, 2, 100)
    assert window.wait_s(now_s) == 3.0


@given(st.lists(st.integers(100, 200_000), min_size=1, max_size=60))
def test_a_backlog_never_goes_faster_than_its_share(sizes: list[int]) -> None:
    window, now_s, total = Window(), 1000.0, 0
    for seq, size in enumerate(sizes):
        now_s += window.pause_s(now_s, size)
        window.sent(now_s, seq, size)
        window.acknowledged(now_s, seq)
        total += size
    share = outbox.BURST_BYTES + outbox.RATE_BYTES_PER_S * (now_s - 1000.0)
    assert total <= share + max(sizes)
