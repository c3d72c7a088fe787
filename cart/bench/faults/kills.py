"""A scripted trip on real processes, one of which is SIGKILLed at one journal write and started again.

The real daemon with a real SQLite file, the real `cart till`, a real mosquitto. The cart has no scale and no camera,
and a scanner that is a pseudo-terminal. What is left is looked at by the simulation's auditor (auditor.py).
"""

from __future__ import annotations

import contextlib
import getpass
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import httpx
import msgspec

from cart.bench.children import follow_parent
from cart.bench.faults.auditor import Evidence, Figures, audit
from cart.bench.faults.dies_at import Kill, Victim, When
from cart.bench.faults.programs import BENEFITS, CART, PRICES, STORE, catalog, code_of
from cart.bench.stack import free_ports
from cart.control_client import ControlClient, ControlError, NotRunning

BASKET: Final = {"milk": 2, "bread": 1, "soap": 1}
"""What the shopper wants: two scans of milk, one line taken out again on the way (`cheese`)."""

TRIP_MAX_S: Final = 300.0
"""A trip takes ten seconds; a machine that does other things as well may need many times that."""

PAUSE_S: Final = 0.05

SYNCED_S: Final = 2.5
"""The daemon counts what waits once a second, a busy one less often: an older figure knows nothing of the receipt."""


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """One trip: at which write who died, and what the auditor found. `writes`: journal commits in all."""

    victim: Victim
    when: When
    write: int
    struck: bool
    writes: int
    findings: list[str]
    seconds: float


class Trip:
    """The processes of one trip, in one folder."""

    def __init__(self, folder: Path, mosquitto: str, *, victim: Victim, when: When, write: int) -> None:
        self._folder, self._mosquitto = folder, mosquitto
        self._victim, self._when, self._write = victim, when, write
        self._broker_port, self._screen_port, self._till_port = free_ports(3)
        self._tty, self._tty_end = os.openpty()
        self._client = httpx.Client(base_url=f"http://127.0.0.1:{self._screen_port}/api/v1/", timeout=2.0)
        self._running: dict[Victim, subprocess.Popen[bytes]] = {}
        self._paid: dict[str, int] = {}
        self._scanned_s = 0.0
        self._cheese = False
        self.struck = False

    def __enter__(self) -> Self:
        folder = self._folder
        (folder / "catalog.json").write_bytes(msgspec.json.encode(catalog()))
        (folder / "mosquitto.conf").write_text(
            f"user {getpass.getuser()}\nlistener {self._broker_port} 127.0.0.1\n"
            "allow_anonymous true\npersistence false\n"
        )
        missing = msgspec.json.encode(str(folder / "none")).decode()
        (folder / "cart.toml").write_text(
            f'[cart]\nid = "{CART}"\n[store]\nid = "{STORE}"\nlanguages = ["en"]\n'
            f"[scale]\ncounts_per_gram = 20.0\ntare_counts = 0\n[gpio]\nmodule = {missing}\n"
            f'[scanner]\nport = "{os.ttyname(self._tty_end)}"\n[power]\nsysfs = {missing}\n'
            f'[broker]\nhost = "127.0.0.1"\nport = {self._broker_port}\nprotocol = "5"\nkeepalive_s = 5\n'
            f'[screen]\nport = {self._screen_port}\n[journal]\nfolder = "{folder / "cart"}"\n'
            "[policy]\npayment_timeout_s = 3.0\npayment_query_s = 1.0\n"
        )
        for who in ("broker", "till", "daemon"):
            self._start(who)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in reversed(self._running.values()):
            process.kill()
            process.wait()
        self._client.close()
        os.close(self._tty)
        os.close(self._tty_end)

    def run(self) -> Figure:
        """Shop until paid and everything is at the store; then look."""
        began_s = time.monotonic()
        finished = self._shop(began_s + TRIP_MAX_S) and self._synced(began_s + TRIP_MAX_S)
        total = self._retained_total()
        for who in ("daemon", "till"):
            self._running[who].terminate()
            self._running[who].wait()
        findings, _ = self._audit(total, finished=finished)
        return Figure(
            victim=self._victim, when=self._when, write=self._write, struck=self.struck, writes=self._writes(),
            findings=findings, seconds=round(time.monotonic() - began_s, 1),
        )  # fmt: skip

    def _start(self, who: Victim) -> None:
        folder = self._folder
        victim = self._running.get(self._victim)
        kill = Kill(
            victim=self._victim, when=self._when, write=0 if self.struck else self._write,
            counted=str(folder / "counted"), pid=victim.pid if victim is not None and self._victim != "daemon" else 0,
        )  # fmt: skip
        commands: dict[Victim, list[str]] = {
            "broker": [self._mosquitto, "-c", str(folder / "mosquitto.conf")],
            "till": [
                sys.executable, "-m", "cart", "till", "--broker", f"127.0.0.1:{self._broker_port}", "--store", STORE,
                "--catalog", str(folder / "catalog.json"), "--data", str(folder / "till"), "--port",
                str(self._till_port),
            ],
            "daemon": [
                sys.executable, "-m", "cart.bench.faults.dies_at", msgspec.json.encode(kill).decode(),
                str(folder / "cart.toml"),
            ],
        }  # fmt: skip
        with (folder / f"{who}.log").open("ab") as log:
            self._running[who] = subprocess.Popen(
                commands[who],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                preexec_fn=follow_parent,  # noqa: PLW1509  (one prctl call)
            )

    def _look_after(self) -> None:
        """What systemd does: start what has died. A daemon that outlived the strike keeps its plan, which is spent."""
        for who, process in list(self._running.items()):
            if process.poll() is not None:
                self.struck = True
                self._start(who)

    def _shop(self, until_s: float) -> bool:
        while time.monotonic() < until_s:
            self._look_after()
            view = self._view()
            if view is not None:
                if view["phase"] == "paid":
                    self._paid[view["trip_id"]] = view["total_minor"]
                    return True
                self._act(view)
            time.sleep(PAUSE_S)
        return False

    def _act(self, view: dict[str, Any]) -> None:
        """The next thing the shopper does, from what the screen shows alone."""
        have = {line["sku"]: line["units"] for line in view["lines"]}
        wanted = {**BASKET, "cheese": 1} if not self._cheese else BASKET
        missing = [sku for sku, units in wanted.items() if have.get(sku, 0) < units]
        surplus = [line["line"] for line in view["lines"] if line["sku"] not in wanted]
        self._cheese = self._cheese or "cheese" in have
        for asked in view["interventions"]:
            if asked["choices"]:
                self._touch("answer", intervention=asked["id"], choice=asked["choices"][0])
        if view["phase"] == "idle" or (view["phase"] == "shopping" and missing):
            self._scan((missing or ["milk"])[0])
        elif view["phase"] == "shopping" and surplus:
            self._touch("remove", line=surplus[0])
        elif view["phase"] == "shopping":
            self._touch("checkout")
        elif view["phase"] == "checkout" and "card" in view["methods"]:
            self._touch("pay", method="card")

    def _scan(self, sku: str) -> None:
        """A shopper waits for the line before scanning again."""
        if time.monotonic() - self._scanned_s > 1.0:
            self._scanned_s = time.monotonic()
            os.write(self._tty, f"]E0{code_of(sku)}\r".encode())

    def _touch(self, action: str, **details: Any) -> None:
        with contextlib.suppress(httpx.HTTPError):
            self._client.post("touch", json={"action": action, **details})

    def _view(self) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = self._client.get("trip").json()
        except (httpx.HTTPError, ValueError):
            return None
        return found

    def _synced(self, until_s: float) -> bool:
        """True once the store has acknowledged everything: for longer than the daemon's figure may be old."""
        nothing_since_s: float | None = None
        while time.monotonic() < until_s:
            self._look_after()
            if not self._nothing_waits():
                nothing_since_s = None
            elif nothing_since_s is None:
                nothing_since_s = time.monotonic()
            elif time.monotonic() - nothing_since_s > SYNCED_S:
                return True
            time.sleep(0.2)
        return False

    def _nothing_waits(self) -> bool:
        with contextlib.suppress(NotRunning, ControlError):
            said = ControlClient(self._folder / "cart").status()
            return bool(said["outbox"]["waiting"] == 0 and said["link"]["linked"])
        return False

    def _retained_total(self) -> bytes:
        topic = f"store/{STORE}/cart/{CART}/up/total"
        listen = ["mosquitto_sub", "-p", str(self._broker_port), "-t", topic, "-C", "1", "-W", "10"]
        return subprocess.run(listen, capture_output=True, check=False).stdout.strip()

    def _audit(self, total: bytes, *, finished: bool) -> tuple[list[str], Figures]:
        topic = f"store/{STORE}/cart/{CART}/up/total"
        return audit(
            Evidence(
                cart_id=CART,
                journal=self._folder / "cart" / "journal.sqlite",
                till=self._folder / "till" / "till.sqlite",
                acquirer=self._folder / "till" / "acquirer.sqlite",
                prices=PRICES,
                benefits=BENEFITS,
                sent=[("cart", topic, total, sys.maxsize)],
                retained={topic: total},
                committed=[],
                paid_shown=self._paid,
                doubled=[],
                codes_paid={},
                refunds={},
                refunded_shown={},
                crashes=[],
                finished=finished,
            )
        )

    def _writes(self) -> int:
        counted = self._folder / "counted"
        return counted.stat().st_size if counted.exists() else 0


def play(folder: Path, mosquitto: str, *, victim: Victim, when: When, write: int) -> Figure:
    """One trip in a folder of its own; `write` 0: nobody dies, and the writes are counted."""
    folder.mkdir(parents=True)
    with Trip(folder, mosquitto, victim=victim, when=when, write=write) as trip:
        return trip.run()


def every_point(writes: int) -> Iterator[tuple[Victim, When, int]]:
    """Each of the three, before and after each write."""
    for write in range(1, writes + 1):
        for victim in ("daemon", "broker", "till"):
            yield victim, "before", write
            yield victim, "after", write
