"""One run: a store from one seed, in trouble for a while, then left in peace, then looked at by the auditor."""

from __future__ import annotations

import asyncio
import gc
import hashlib
import logging
import random
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

import msgspec

from cart.bench.faults.auditor import Evidence, Figures, audit
from cart.bench.faults.broker import SimulatedBroker
from cart.bench.faults.disk import DiskChances, Image, folder_in_memory, ledger_head, read_image, write_image
from cart.bench.faults.machine import Boot, Machine, MachineChances
from cart.bench.faults.mutations import Mutation, mutated
from cart.bench.faults.plan import Chances, draw_plan
from cart.bench.faults.programs import BENEFITS, CART, CLOCKED, PRICES, SimulatedDaemon, Witness, replacements, run_till
from cart.bench.faults.provider import Captures, ProviderWire
from cart.bench.faults.shared_rows import SharedRows
from cart.bench.faults.shopper import Shopper
from cart.bench.faults.virtual_time import VirtualLoop, virtual_modules
from cart.till.service import Till
from cart.till.simulated import SimulatedAcquirer

START_S: Final = 2.0
"""Peace at first: the catalogue comes, the wires come up."""

PEACE_MAX_S: Final = 600.0
"""A shopper who has not finished this long after the last fault never will."""

SETTLING_S: Final = 130.0
"""Twice the cart's longest query interval, so that even what straggled is dealt with."""


class Outcome(msgspec.Struct, kw_only=True):
    """What a run came to. `findings` is empty where everything held."""

    seed: int
    kinds: tuple[str, ...]
    findings: list[str]
    virtual_s: float
    figures: Figures
    faults: dict[str, int]
    digest: str
    """Of all that was sent, and when; equal for equal seeds."""


class World:
    """The machines and people of one run. Made within its loop."""

    def __init__(self, seed: int, root: Path, mutation: Mutation | None) -> None:
        self.rng = random.Random(seed)
        self.plan = draw_plan(self.rng)
        self.chances = Chances()
        self.witness = Witness()
        self.broker = SimulatedBroker(self.rng, self.chances.link)
        on_the_card_minor = self.rng.choice([None, None, 1_000, 0])
        self.acquirer = SimulatedAcquirer(root / "acquirer", late_s=20.0, ebt_minor=on_the_card_minor)
        self.captures = Captures(self.acquirer, lambda attempt_id: self.broker.baskets.get(attempt_id, 0))
        self.daemon: SimulatedDaemon | None = None
        self.services: dict[str, Till] = {}
        """Machine → the till that runs there."""
        self.wall_jumps = 0
        self._root = root
        self._tasks: set[asyncio.Task[Any]] = set()
        self.cart = self._machine("cart", self._run_cart, self.chances.cart, self.chances.cart_disk)
        self.tills = [
            self._machine(name, partial(self._run_till, name), self.chances.till, self.chances.till_disk)
            for name in ("till", "till2")[: self.plan.tills]
        ]
        self.rows = root / "rows" / "till.sqlite" if self.plan.tills > 1 else None
        """Where several tills keep their rows together."""
        self._lines: list[SharedRows] = []
        self.shopper = Shopper(self.cart, self.rng, daemon=lambda: self.daemon, staffed=self._staffed)
        self.cart.may_restore = self._store_holds
        self.cart.worth_copying = lambda image: ledger_head(image, "journal.sqlite", "ledger") is not None
        self.broker.rows_on_disk = self.witness.rows_on_disk
        if mutation == "cleared_on_puback":
            self.broker.on_puback = self._clear_on_puback

    def _machine(
        self,
        name: str,
        program: Callable[[Boot], Coroutine[Any, Any, None]],
        chances: MachineChances,
        disk_chances: DiskChances,
    ) -> Machine:
        return Machine(
            name, self._root, self.broker, self.rng, chances=chances, disk_chances=disk_chances, program=program
        )

    async def _run_cart(self, boot: Boot) -> None:
        again = True
        while again:
            self.daemon = None
            again = await SimulatedDaemon(boot, self.witness, up=lambda up: setattr(self, "daemon", up)).live()

    def _store_holds(self, image: Image) -> bool:
        """True where the store holds all rows of this disk: what was nowhere else nobody could give back."""
        held = self.tills[0].held_image() if self.rows is None else read_image(self.rows.parent)
        return ledger_head(image, "journal.sqlite", "ledger") == ledger_head(held, "till.sqlite", "cart_row")

    def _staffed(self) -> tuple[Boot, Till] | None:
        up = [(machine.boot, self.services.get(machine.name)) for machine in self.tills]
        served = [(boot, till) for boot, till in up if boot is not None and till is not None]
        return self.rng.choice(served) if served else None

    async def _run_till(self, name: str, boot: Boot) -> None:
        self.services.pop(name, None)
        wire = ProviderWire(self.acquirer, self.captures, boot, self.rng, self.chances.provider)
        machine = next(machine for machine in self.tills if machine.name == name)
        rows = None if self.rows is None else SharedRows(self.rows, machine)
        if rows is not None:
            self._lines.append(rows)
        await run_till(boot, wire, lambda till: self.services.__setitem__(name, till), rows)

    def _clear_on_puback(self, boot: Boot, topic: str, payload: bytes) -> None:
        if topic.endswith("up/ledger") and self.daemon is not None:
            row = msgspec.json.decode(payload)
            cleared = self.daemon.journal.acknowledge(row["chain"], row["seq"], row["hash"])
            task = asyncio.get_running_loop().create_task(cleared, context=boot.context)
            self._tasks.add(task)

    async def run(self) -> None:
        """Peace, trouble, peace."""
        for machine in (*self.tills, self.cart):
            machine.power_on()
        await asyncio.sleep(START_S)
        shopping = asyncio.get_running_loop().create_task(self.shopper.shop())
        self.chances.become(self.plan.chances)
        await self._trouble()
        self.chances.become(Chances())
        self.acquirer.set_mode(self.plan.last_mood)
        self.shopper.finishing = True
        for _ in range(round(PEACE_MAX_S / 5.0)):
            await asyncio.sleep(5.0)
            if self.shopper.done and self._all_up:
                break
        shopping.cancel()
        await asyncio.sleep(SETTLING_S)

    @property
    def _all_up(self) -> bool:
        return all(machine.boot is not None for machine in (self.cart, *self.tills))

    async def _trouble(self) -> None:
        plan, rng, loop = self.plan, self.rng, asyncio.get_running_loop()
        ends_s = loop.time() + plan.trouble_s
        while loop.time() < ends_s:
            await asyncio.sleep(1.0)
            if rng.random() < plan.partition_cart_rate and self.cart.boot is not None:
                self.broker.cut_off(self.cart.boot, rng.choice([2.0, 10.0, 40.0]))
            till = rng.choice(self.tills)
            if rng.random() < plan.partition_till_rate and till.boot is not None:
                self.broker.cut_off(till.boot, rng.choice([2.0, 10.0, 40.0]))
            if rng.random() < plan.broker_death_rate:
                self.broker.die(rng.uniform(0.5, 15.0))
            if rng.random() < plan.wall_jump_rate:
                self.wall_jumps += 1
                rng.choice([self.cart, *self.tills]).jump(rng.choice([-86_400.0, -60.0, 3.0, 600.0, 86_400.0]))
            if rng.random() < 0.1:
                self.acquirer.set_mode(rng.choice(plan.moods))

    def evidence(self) -> Evidence:
        """Switch everything off, and lay out what is left for the auditor."""
        finished = self.shopper.done and self._all_up
        write_image(self._root / "cart", self.cart.shut_down())
        tills = [machine.shut_down() for machine in self.tills]
        write_image(self._root / "till", tills[0] if self.rows is None else read_image(self.rows.parent))
        return Evidence(
            cart_id=CART,
            journal=self._root / "cart" / "journal.sqlite",
            till=self._root / "till" / "till.sqlite",
            acquirer=self._root / "acquirer" / "acquirer.sqlite",
            prices=PRICES,
            benefits=BENEFITS,
            sent=[(sent.sender, sent.topic, sent.payload, sent.on_disk) for sent in self.broker.trace],
            retained=dict(self.broker.retained),
            committed=self.witness.committed,
            paid_shown=self.witness.paid_shown,
            doubled=self.captures.doubled,
            codes_paid=self.shopper.codes_paid,
            refunds=self.shopper.refunds,
            refunded_shown=self.witness.refunded_shown,
            crashes=[crash for machine in (self.cart, *self.tills) for crash in machine.crashes],
            finished=finished,
            restored=self.cart.restorations > 0,
        )

    def faults(self) -> dict[str, int]:
        """What really happened, by kind."""
        found = Counter(self.broker.hits)
        for machine in (self.cart, *self.tills):
            found.update({f"{machine.name}_disk_{kind}": count for kind, count in machine.hits.items()})
            found.update({f"{machine.name}_dies_{why.replace(' ', '_')}": n for why, n in machine.deaths.items()})
        found["wall_jump"] = self.wall_jumps
        found["cart_restored"] = self.cart.restorations
        return {kind: count for kind, count in sorted(found.items()) if count}

    def digest(self) -> str:
        """SHA-256 of every publication with its time."""
        made = hashlib.sha256()
        for sent in self.broker.trace:
            made.update(f"{sent.at_s:.6f} {sent.sender} {sent.topic} ".encode() + sent.payload)
        return made.hexdigest()

    async def close(self) -> None:
        """Let go of files."""
        for machine in (self.cart, *self.tills):
            machine.release()
        for line in self._lines:
            line.close()
        await self.acquirer.close()


def play(seed: int, *, mutation: Mutation | None = None, keep: Path | None = None) -> Outcome:
    """Play one seed and audit it. `keep` is an empty folder to leave the evidence in."""
    with ExitStack() as stack:
        stack.enter_context(_no_garbage_rounds())
        if keep is None:
            keep = Path(stack.enter_context(folder_in_memory("faults-")))
        stack.enter_context(_replaced(random.Random(~seed), mutation))
        runner = stack.enter_context(asyncio.Runner(loop_factory=VirtualLoop))
        return runner.run(_play(seed, keep, mutation))


async def _play(seed: int, root: Path, mutation: Mutation | None) -> Outcome:
    asyncio.get_running_loop().set_exception_handler(lambda _loop, _context: None)  # dead programs' last words
    world = World(seed, root, mutation)
    try:
        await world.run()
        findings, figures = audit(world.evidence())
        return Outcome(
            seed=seed,
            kinds=world.plan.kinds,
            findings=findings,
            virtual_s=asyncio.get_running_loop().time(),
            figures=figures,
            faults=world.faults(),
            digest=world.digest(),
        )
    finally:
        await world.close()


@contextmanager
def _no_garbage_rounds() -> Iterator[None]:
    """One round of the collector at the end, over what the run left, and not one at each daemon's boot: those were a
    fifth of a run.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.collect()


@contextmanager
def _replaced(rng: random.Random, mutation: Mutation | None) -> Iterator[None]:
    """Clocks, sockets and SQLite replaced, and nothing logged: a run has thousands of expected warnings."""
    with ExitStack() as stack:
        time = stack.enter_context(virtual_modules(CLOCKED, rng))
        for module, name, stand_in in [*replacements(time), *mutated(mutation)]:
            stack.enter_context(patch.object(module, name, stand_in))
        before = logging.root.manager.disable
        stack.callback(logging.disable, before)
        logging.disable(logging.CRITICAL)
        yield
