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
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

import msgspec

from cart.bench.faults.auditor import Evidence, Figures, audit
from cart.bench.faults.broker import SimulatedBroker
from cart.bench.faults.disk import DiskChances, Image, folder_in_memory, ledger_head, write_image
from cart.bench.faults.machine import Boot, Machine, MachineChances
from cart.bench.faults.mutations import Mutation, mutated
from cart.bench.faults.plan import Chances, draw_plan
from cart.bench.faults.programs import CART, CLOCKED, PRICES, SimulatedDaemon, Witness, replacements, run_till
from cart.bench.faults.provider import Captures, ProviderWire
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
        self.acquirer = SimulatedAcquirer(root / "acquirer", late_s=20.0)
        self.captures = Captures(self.acquirer)
        self.daemon: SimulatedDaemon | None = None
        self.service: Till | None = None
        self.wall_jumps = 0
        self._root = root
        self._tasks: set[asyncio.Task[Any]] = set()
        self.cart = self._machine("cart", self._run_cart, self.chances.cart, self.chances.cart_disk)
        self.till = self._machine("till", self._run_till, self.chances.till, self.chances.till_disk)
        self.shopper = Shopper(self.cart, self.till, self.rng, daemon=lambda: self.daemon, service=lambda: self.service)
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
        return ledger_head(image, "journal.sqlite", "ledger") == ledger_head(
            self.till.held_image(), "till.sqlite", "cart_row"
        )

    async def _run_till(self, boot: Boot) -> None:
        self.service = None
        wire = ProviderWire(self.acquirer, self.captures, boot, self.rng, self.chances.provider)
        await run_till(boot, wire, lambda till: setattr(self, "service", till))

    def _clear_on_puback(self, boot: Boot, topic: str, payload: bytes) -> None:
        if topic.endswith("up/ledger") and self.daemon is not None:
            row = msgspec.json.decode(payload)
            cleared = self.daemon.journal.acknowledge(row["chain"], row["seq"], row["hash"])
            task = asyncio.get_running_loop().create_task(cleared, context=boot.context)
            self._tasks.add(task)

    async def run(self) -> None:
        """Peace, trouble, peace."""
        self.till.power_on()
        self.cart.power_on()
        await asyncio.sleep(START_S)
        shopping = asyncio.get_running_loop().create_task(self.shopper.shop())
        self.chances.become(self.plan.chances)
        await self._trouble()
        self.chances.become(Chances())
        self.acquirer.set_mode(self.plan.last_mood)
        self.shopper.finishing = True
        for _ in range(round(PEACE_MAX_S / 5.0)):
            await asyncio.sleep(5.0)
            if self.shopper.done and self.cart.boot is not None and self.till.boot is not None:
                break
        shopping.cancel()
        await asyncio.sleep(SETTLING_S)

    async def _trouble(self) -> None:
        plan, rng, loop = self.plan, self.rng, asyncio.get_running_loop()
        ends_s = loop.time() + plan.trouble_s
        while loop.time() < ends_s:
            await asyncio.sleep(1.0)
            if rng.random() < plan.partition_cart_rate and self.cart.boot is not None:
                self.broker.cut_off(self.cart.boot, rng.choice([2.0, 10.0, 40.0]))
            if rng.random() < plan.partition_till_rate and self.till.boot is not None:
                self.broker.cut_off(self.till.boot, rng.choice([2.0, 10.0, 40.0]))
            if rng.random() < plan.broker_death_rate:
                self.broker.die(rng.uniform(0.5, 15.0))
            if rng.random() < plan.wall_jump_rate:
                self.wall_jumps += 1
                rng.choice([self.cart, self.till]).jump(rng.choice([-86_400.0, -60.0, 3.0, 600.0, 86_400.0]))
            if rng.random() < 0.1:
                self.acquirer.set_mode(rng.choice(plan.moods))

    def evidence(self) -> Evidence:
        """Switch everything off, and lay out what is left for the auditor."""
        finished = self.shopper.done and self.cart.boot is not None and self.till.boot is not None
        cart, till = self.cart.shut_down(), self.till.shut_down()
        write_image(self._root / "cart", cart)
        write_image(self._root / "till", till)
        return Evidence(
            cart_id=CART,
            journal=self._root / "cart" / "journal.sqlite",
            till=self._root / "till" / "till.sqlite",
            acquirer=self._root / "acquirer" / "acquirer.sqlite",
            prices=PRICES,
            sent=[(sent.sender, sent.topic, sent.payload, sent.on_disk) for sent in self.broker.trace],
            retained=dict(self.broker.retained),
            committed=self.witness.committed,
            paid_shown=self.witness.paid_shown,
            doubled=self.captures.doubled,
            codes_paid=self.shopper.codes_paid,
            refunds=self.shopper.refunds,
            refunded_shown=self.witness.refunded_shown,
            crashes=[*self.cart.crashes, *self.till.crashes],
            finished=finished,
            restored=self.cart.restorations > 0,
        )

    def faults(self) -> dict[str, int]:
        """What really happened, by kind."""
        found = Counter(self.broker.hits)
        for machine in (self.cart, self.till):
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
        self.cart.release()
        self.till.release()
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
