"""What goes wrong in a run, drawn from its seed. Each run has some kinds of faults and lacks others, so that rare ones
are not drowned by common ones ("swarm testing": Groce et al., ISSTA 2012).
"""

from __future__ import annotations

import random
from typing import Final

import msgspec

from cart.bench.faults.broker import LinkChances
from cart.bench.faults.disk import DiskChances
from cart.bench.faults.machine import MachineChances
from cart.bench.faults.provider import ProviderChances
from cart.till.simulated import Mode

KINDS: Final = (
    "lose", "repeat", "forge", "slow_link", "straggle", "broker_dies_on_publish", "broker_dies", "partition_cart",
    "partition_till", "cart_dies", "till_dies", "cart_cut", "till_cut", "cart_disk_full", "cart_io_error",
    "cart_io_lie", "till_io_error", "provider_loses", "provider_slow", "provider_moods", "wall_jumps", "cart_restored",
)  # fmt: skip


TWO_TILLS: Final = 0.3
"""How often a store has two."""


class Chances(msgspec.Struct, kw_only=True):
    """Everything that may fail, as the parts of a run hold it; without arguments nothing does."""

    link: LinkChances = msgspec.field(default_factory=LinkChances)
    cart: MachineChances = msgspec.field(default_factory=MachineChances)
    till: MachineChances = msgspec.field(default_factory=MachineChances)
    cart_disk: DiskChances = msgspec.field(default_factory=DiskChances)
    till_disk: DiskChances = msgspec.field(default_factory=DiskChances)
    provider: ProviderChances = msgspec.field(default_factory=ProviderChances)

    def become(self, other: Chances) -> None:
        """Take another's values, in the same objects."""
        for name in self.__struct_fields__:
            mine, theirs = getattr(self, name), getattr(other, name)
            for field in mine.__struct_fields__:
                setattr(mine, field, getattr(theirs, field))


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """One run's faults. Rates are a second, chances an occasion."""

    kinds: tuple[str, ...]
    tills: int
    """Two share a database."""
    trouble_s: float
    chances: Chances
    partition_cart_rate: float
    partition_till_rate: float
    broker_death_rate: float
    wall_jump_rate: float
    moods: tuple[Mode, ...]
    last_mood: Mode


def draw_plan(rng: random.Random) -> Plan:
    """A tenth to seven tenths of the kinds, each with a rate between rare and frequent."""
    share = rng.uniform(0.1, 0.7)
    kinds = tuple(kind for kind in KINDS if rng.random() < share)

    def chance(kind: str, low: float, high: float) -> float:
        drawn: float = low * (high / low) ** rng.random()
        return drawn if kind in kinds else 0.0

    def machine(kind: str) -> MachineChances:
        return MachineChances(
            die_a_step=chance(kind, 0.002, 0.03),
            off_max_s=rng.choice([1.0, 8.0, 40.0]),
            wall_jumps=chance("wall_jumps", 0.3, 1.0),
            restored=chance("cart_restored", 0.3, 1.0) if kind == "cart_dies" else 0.0,
        )

    chances = Chances(
        link=LinkChances(
            lose=chance("lose", 0.01, 0.4), repeat=chance("repeat", 0.02, 0.5), forge=chance("forge", 0.05, 0.5),
            delay_s=0.02 + chance("slow_link", 0.05, 3.0), straggle=chance("straggle", 0.01, 0.2),
            broker_dies_on_publish=chance("broker_dies_on_publish", 0.002, 0.03),
        ),
        cart=machine("cart_dies"),
        till=machine("till_dies"),
        cart_disk=DiskChances(
            full=chance("cart_disk_full", 0.02, 0.4), refused=chance("cart_io_error", 0.02, 0.3),
            lied=chance("cart_io_lie", 0.02, 0.2), cut=chance("cart_cut", 0.01, 0.15),
        ),
        till_disk=DiskChances(refused=chance("till_io_error", 0.01, 0.2), cut=chance("till_cut", 0.01, 0.15)),
        provider=ProviderChances(
            lose_question=chance("provider_loses", 0.05, 0.3), lose_answer=chance("provider_loses", 0.05, 0.4),
            slow=chance("provider_slow", 0.05, 0.5),
        ),
    )  # fmt: skip
    moods: tuple[Mode, ...] = ("approve", "approve", "decline", "silent", "twice", "late", "wrong_amount", "partial")
    moody = "provider_moods" in kinds
    return Plan(
        kinds=kinds,
        tills=2 if rng.random() < TWO_TILLS else 1,
        trouble_s=rng.uniform(30.0, 90.0),
        chances=chances,
        partition_cart_rate=chance("partition_cart", 0.01, 0.1),
        partition_till_rate=chance("partition_till", 0.01, 0.1),
        broker_death_rate=chance("broker_dies", 0.01, 0.1),
        wall_jump_rate=chance("wall_jumps", 0.01, 0.2),
        moods=moods if moody else ("approve",),
        last_mood="decline" if moody and rng.random() < 0.15 else "approve",
    )
