"""Runs a recording through the decision code of the cart, as fast as the machine can.

The same session, the same framing of the scanner's bytes, the same deadlines as on a live cart: whenever the session
asks to be woken before the next message, it is told so at that moment of recording time. Replay stops at the last
message; no deadline after it runs, so cutting a recording short never changes what was decided before the cut.
The truth in a recording is never read here.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

import msgspec

from cart.core.effects import DrawTripId, Effect, Record
from cart.core.ledger import (
    FaultCleared,
    FaultRaised,
    InterventionChanged,
    InterventionCleared,
    InterventionRaised,
    ItemAdded,
    ItemConfirmed,
    ItemRemoved,
    LedgerEvent,
    WeightStepSeen,
)
from cart.core.observations import (
    AnyObservation,
    DayTold,
    Look,
    PartChanged,
    ScaleSample,
    Scan,
    ScanRefused,
    Temperature,
    Tick,
    Touch,
    TripIdDrawn,
)
from cart.core.session import Session
from cart.core.view import TripView
from cart.model_location import SHIPPED
from cart.recordings.format import (
    CONFIG_ATTACHMENT,
    SCANNER,
    TOUCH,
    CameraMessage,
    LookMessage,
    PartMessage,
    RecordingError,
    ScaleMessage,
    ScanMessage,
    ScannerMessage,
    StaffMessage,
    TemperatureMessage,
    TouchMessage,
)
from cart.recordings.reading import RecordedMessage, Recording
from drivers.scanner_framing import Frame, Framing, Refused, ScannerFramer

if TYPE_CHECKING:
    from cart.recorded_camera import RecordedCamera

TICKS_MAX = 10_000
"""Deadlines due between two messages; a gap of a whole day has a few hundred. More is a session that never advances."""

OLDEST_WALL_S = 1_735_689_600
"""The beginning of 2025: a time before it is a monotonic clock's, or of a machine that did not know the day."""

SHOWN = (
    ItemAdded,
    ItemRemoved,
    ItemConfirmed,
    InterventionRaised,
    InterventionChanged,
    InterventionCleared,
    FaultRaised,
    FaultCleared,
    WeightStepSeen,
)
"""Ledger events that replay prints; the others (explanations, notes for a restart) stay inside the cart."""


class Decider(Protocol):
    """What replay needs of a session."""

    @property
    def next_deadline_ns(self) -> int | None: ...

    def handle(self, obs: AnyObservation) -> list[Effect]: ...

    def view(self) -> TripView: ...


class BasketLine(msgspec.Struct, frozen=True, kw_only=True):
    sku: str
    units: int
    weight_g: float | None
    state: str
    price_minor: int


class OpenIntervention(msgspec.Struct, frozen=True, kw_only=True):
    id: int
    kind: str
    stage: str
    sku: str | None
    candidates: list[str]


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """A weight step on the recording's own clock, for scoring."""

    delta_g: float
    sigma_g: float
    began_ns: int
    rest_ns: int
    decided_ns: int


class ReplayReport(msgspec.Struct, frozen=True, kw_only=True):
    """What `cart replay --json` prints for one file. Times in seconds from the first message."""

    file: str
    basket: list[BasketLine]
    total_minor: int
    savings_minor: int
    currency: str
    events: list[dict[str, Any]]
    open_interventions: list[OpenIntervention]
    samples: int
    recorded_s: float
    wall_s: float
    phase: str
    warnings: list[str]


class ReplayResult(msgspec.Struct, frozen=True, kw_only=True):
    """The report, and the weight steps in ns of the recording's clock."""

    report: ReplayReport
    steps: list[Step]


OpenCamera = Callable[[Recording], "RecordedCamera"]


def camera_with(model: str) -> OpenCamera:
    """Who looks at a recording's frames, with the classifier that `[camera] model` means."""

    def opened(recording: Recording) -> RecordedCamera:
        from cart.recorded_camera import recorded_camera

        return recorded_camera(model, recording.catalog.enrolled)

    return opened


SHIPPED_MODEL: Final = camera_with(SHIPPED)


def replay(
    recording: Recording,
    *,
    progress: Callable[[float], None] | None = None,
    camera: OpenCamera = SHIPPED_MODEL,
) -> ReplayResult:
    """Replay one recording. Raises RecordingError for one that can't be used. `progress` gets recorded seconds;
    `camera` is opened at the first frame, if there is one."""
    settings = recording.settings
    session = Session(
        cart_id=settings.cart_id,
        store_id=settings.store_id,
        catalog=recording.catalog,
        scale=settings.scale,
        policy=settings.policy,
        languages=settings.languages,
    )
    return _Run(recording, session, camera).play(progress)


class _Run:
    """One pass over one recording."""

    def __init__(self, recording: Recording, session: Decider, open_camera: OpenCamera) -> None:
        self.recording = recording
        self.open_camera = open_camera
        self.camera: RecordedCamera | None = None
        self.session = session
        self.framer = ScannerFramer(_framing(recording))
        self.first_ns = 0
        self.now_ns = 0
        self.samples = 0
        self.trips = 0
        self.events: list[dict[str, Any]] = []
        self.steps: list[Step] = []
        self.warnings: list[str] = []

    def play(self, progress: Callable[[float], None] | None) -> ReplayResult:
        began = time.perf_counter()
        messages = self.recording.messages()
        first = next(messages, None)
        if first is not None:
            self.first_ns = self.now_ns = first.t_ns
            self._tell(self._drawn())
            day = recorded_day(first.t_ns)
            if day is not None:
                self._tell(DayTold(t_ns=first.t_ns, day=day))
            if not self._starts_by_touch():
                self._tell(Touch(t_ns=self.first_ns, action="start"))
            self._hear(first)
        for message in messages:
            self._pass_time(message.t_ns)
            self._hear(message)
            if progress is not None and self.samples % 8000 == 0:
                progress((message.t_ns - self.first_ns) / 1e9)
        return ReplayResult(report=self._report(time.perf_counter() - began), steps=self.steps)

    def _starts_by_touch(self) -> bool:
        """Whether the shopper's own `start` is on the record, before anything else the shopper did.

        A live cart notes its phase when it begins to record, so that a cut before the touch changes nothing.
        """
        if self.recording.metadata.get("phase") == "idle":
            return True
        for message in self.recording.messages({TOUCH, SCANNER}):
            if isinstance(message.body, TouchMessage):
                return message.body.action == "start"
            if isinstance(message.body, ScannerMessage):
                return False
        return False

    def _pass_time(self, until_ns: int) -> None:
        """Wake the session, and the scanner's framing, at each deadline that is due before the next message."""
        for _ in range(TICKS_MAX):
            framer_ns, session_ns = self.framer.next_deadline_ns, self.session.next_deadline_ns
            due_ns = min((due for due in (framer_ns, session_ns) if due is not None), default=None)
            if due_ns is None or due_ns > until_ns:
                self.now_ns = until_ns
                return
            self.now_ns = max(self.now_ns, due_ns)
            if due_ns == framer_ns:
                self._scanned(self.framer.tick(self.now_ns))
            else:
                self._tell(Tick(t_ns=self.now_ns))
        raise RuntimeError(f"the session asked to be woken {TICKS_MAX} times before {until_ns}")

    def _hear(self, message: RecordedMessage) -> None:
        for observation in self._observations(message):
            self._tell(observation)

    def _observations(self, message: RecordedMessage) -> Iterator[AnyObservation]:
        t_ns, body = message.t_ns, message.body
        if isinstance(body, ScaleMessage):
            self.samples += 1
            yield ScaleSample(t_ns=t_ns, counts=body.counts, cells=body.cells)
        elif isinstance(body, TemperatureMessage):
            yield Temperature(t_ns=t_ns, celsius=body.celsius)
        elif isinstance(body, ScannerMessage):
            self._scanned(self.framer.feed(body.data, t_ns))
        elif isinstance(body, CameraMessage):
            if self.camera is None:
                self.camera = self.open_camera(self.recording)
            yield from self.camera.frame(body.data, t_ns)
        elif self.camera is not None and self.camera.tells(body):
            pass  # from the first frame on, frames tell it
        elif isinstance(body, LookMessage):
            yield Look(t_ns=t_ns, frame_t_ns=body.frame_t_ns, direction=body.direction, scores=body.scores)
        elif isinstance(body, ScanMessage):
            yield Scan(t_ns=t_ns, text=body.text, symbology=body.symbology, source=body.source)
        elif isinstance(body, PartMessage):
            yield PartChanged(t_ns=t_ns, part=body.part, ok=body.ok, fault=body.fault, detail=body.detail)
        elif isinstance(body, TouchMessage | StaffMessage):
            observed = body.observed(t_ns)
            if observed is None:
                self.warnings.append(
                    f"{self.recording.path}: {message.topic} action {body.action!r} is unknown, skipped"
                )
            else:
                yield observed

    def _scanned(self, framed: Iterable[Frame | Refused]) -> None:
        for one in framed:
            if isinstance(one, Refused):
                self._tell(ScanRefused(t_ns=self.now_ns, reason=one.reason, shown=one.shown))
            else:
                self._tell(Scan(t_ns=self.now_ns, text=one.text, symbology=one.symbology))

    def _tell(self, observation: AnyObservation) -> None:
        for effect in self.session.handle(observation):
            if isinstance(effect, Record):
                self._note(effect.t_ns, effect.event)
            elif isinstance(effect, DrawTripId):
                self._tell(self._drawn())

    def _drawn(self) -> TripIdDrawn:
        self.trips += 1
        return TripIdDrawn(t_ns=self.now_ns, trip_id=f"replay-{self.trips}")

    def _note(self, t_ns: int, event: LedgerEvent) -> None:
        if not isinstance(event, SHOWN):
            return
        shown = {"t_s": self._seconds(t_ns), **msgspec.to_builtins(event)}
        if isinstance(event, WeightStepSeen):
            shown["rest_t_s"] = self._seconds(event.rest_ns)
            shown["began_t_s"] = self._seconds(event.began_ns)
            del shown["rest_ns"], shown["began_ns"]
            if event.place is None:
                del shown["place"]
            self.steps.append(
                Step(
                    delta_g=event.delta_g,
                    sigma_g=event.sigma_g,
                    began_ns=event.began_ns,
                    rest_ns=event.rest_ns,
                    decided_ns=t_ns,
                )
            )
        self.events.append(shown)

    def _seconds(self, t_ns: int) -> float:
        return round((t_ns - self.first_ns) / 1e9, 6)

    def _report(self, wall_s: float) -> ReplayReport:
        view = self.session.view()
        return ReplayReport(
            file=str(self.recording.path),
            basket=[
                BasketLine(
                    sku=line.sku,
                    units=line.units,
                    weight_g=line.weight_g,
                    state=line.state,
                    price_minor=line.price_minor,
                )
                for line in view.lines
            ],
            total_minor=view.total_minor,
            savings_minor=view.savings_minor,
            currency=view.currency,
            events=self.events,
            open_interventions=[
                OpenIntervention(
                    id=open_one.id,
                    kind=open_one.kind,
                    stage=open_one.stage,
                    sku=open_one.sku,
                    candidates=[candidate.sku for candidate in open_one.candidates],
                )
                for open_one in view.interventions
            ],
            samples=self.samples,
            recorded_s=self._seconds(self.now_ns),
            wall_s=round(wall_s, 3),
            phase=view.phase,
            warnings=[*self.recording.warnings, *self.warnings, *self._camera_warnings()],
        )

    def _camera_warnings(self) -> list[str]:
        said = [] if self.camera is None else self.camera.warnings
        return [f"{self.recording.path}: {line}" for line in said]


def recorded_day(t_ns: int) -> str | None:
    """The calendar day (UTC) of a recording whose times are wall time; None where they can't be."""
    year = 365.25 * 86400
    if not OLDEST_WALL_S <= t_ns / 1e9 <= OLDEST_WALL_S + 100 * year:
        return None
    return dt.datetime.fromtimestamp(t_ns / 1e9, tz=dt.UTC).date().isoformat()


def _framing(recording: Recording) -> Framing:
    scanner = recording.settings.scanner
    try:
        return Framing(prefix=scanner.prefix, suffix=scanner.suffix, aim_ids=scanner.aim_ids)
    except ValueError as error:
        raise RecordingError(f"{recording.path}: its {CONFIG_ATTACHMENT} has a wrong scanner.suffix: {error}") from None


def replay_file(
    path: Path,
    *,
    progress: Callable[[float], None] | None = None,
    camera: OpenCamera = SHIPPED_MODEL,
) -> ReplayResult:
    """As `replay`, from a path."""
    return replay(Recording(path), progress=progress, camera=camera)
