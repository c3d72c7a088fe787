"""The screen's server: strict touches, the newest view only, and nobody from elsewhere."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import jsonschema
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cart.core.observations import Touch
from cart.core.view import TripView
from cart.screen import openapi
from cart.screen.feed import ViewFeed
from cart.screen.guard import host_name
from cart.screen.server import BODY_BYTES_MAX, OPENAPI, ScreenError, ScreenServer, create_app
from cart.screen.touches import Quantity, TouchReply, TouchRequest, as_observation
from tests.e2e.screen_states import CATALOG, STATES, view

BASE = "http://127.0.0.1"
TOUCHES: list[dict[str, Any]] = [
    {"action": "start"},
    {"action": "language", "language": "de"},
    {"action": "quantity", "line": 3, "units": 2},
    {"action": "produce", "sku": "4017"},
    {"action": "remove", "line": 3},
    {"action": "own_bag"},
    {"action": "answer", "intervention": 7, "choice": "sku:0001"},
    {"action": "help"},
    {"action": "coupon", "code": "SPRING-10"},
    {"action": "checkout"},
    {"action": "pay", "method": "card"},
    {"action": "cancel"},
    {"action": "receipt", "to": "someone@example.org"},
]


class Counter:
    """A taker of touches that keeps them and answers as told."""

    def __init__(self, reply: TouchReply | None = None) -> None:
        self.touches: list[TouchRequest] = []
        self.reply = reply or TouchReply(ok=True)

    async def __call__(self, touch: TouchRequest) -> TouchReply:
        self.touches.append(touch)
        return self.reply


def ask(
    what: Callable[[httpx.AsyncClient], Awaitable[httpx.Response]],
    feed: ViewFeed | None = None,
    on_touch: Callable[[TouchRequest], Awaitable[TouchReply]] | None = None,
) -> httpx.Response:
    """One request to the application, without a socket."""

    async def once() -> httpx.Response:
        transport = httpx.ASGITransport(
            create_app(feed or ViewFeed(), on_touch or Counter()), raise_app_exceptions=False
        )
        async with httpx.AsyncClient(transport=transport, base_url=BASE) as client:
            return await what(client)

    return asyncio.run(once())


def touch(body: Any, on_touch: Counter | None = None, headers: dict[str, str] | None = None) -> httpx.Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return ask(lambda client: client.post("/api/v1/touch", content=content, headers=headers), on_touch=on_touch)


@pytest.mark.parametrize("body", TOUCHES, ids=lambda body: str(body["action"]))
def test_each_action_arrives_as_sent(body: dict[str, Any]) -> None:
    counter = Counter()
    answer = touch(body, counter)
    assert answer.status_code == 200
    assert answer.json() == {"ok": True, "message": ""}
    assert [msgspec.to_builtins(each) for each in counter.touches] == [body]
    seen = msgspec.to_builtins(as_observation(counter.touches[0], 42))
    assert {name: value for name, value in seen.items() if value is not None} == body | {
        "t_ns": 42,
        "observed": "touch",
    }


def test_the_observation_is_the_core_s_own() -> None:
    assert as_observation(Quantity(line=3, units=2), 5) == Touch(t_ns=5, action="quantity", line=3, units=2)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"[]",
        b'{"action": "start"} {}',
        {},
        {"action": "dance"},
        {"action": "quantity", "line": 3},
        {"action": "quantity", "line": 3, "units": 0},
        {"action": "quantity", "line": 3, "units": 1000},
        {"action": "quantity", "line": "3", "units": 1},
        {"action": "quantity", "line": 3, "units": 1.5},
        {"action": "quantity", "line": True, "units": 1},
        {"action": "start", "extra": 1},
        {"action": "language", "language": "../etc"},
        {"action": "produce", "sku": ""},
        {"action": "produce", "sku": "x" * 65},
        {"action": "coupon", "code": "a\nb"},
        {"action": "receipt", "to": "nobody"},
        {"action": "receipt", "to": "a@b\r\nBcc: c@d"},
        {"action": "answer", "intervention": -1, "choice": "mine"},
    ],
    ids=str,
)
def test_what_is_not_a_touch_is_refused_in_one_line(body: Any) -> None:
    counter = Counter()
    answer = touch(body, counter)
    assert answer.status_code == 400
    assert list(answer.json()) == ["error"]
    assert answer.json()["error"].count("\n") == 0
    assert counter.touches == []


@settings(max_examples=60, deadline=None)
@given(
    st.binary(max_size=200)
    | st.recursive(
        st.none() | st.integers() | st.text(max_size=40), lambda inner: st.lists(inner, max_size=5), max_leaves=12
    ).map(lambda tree: json.dumps(tree).encode())
)
def test_garbage_never_reaches_the_cart(body: bytes) -> None:
    counter = Counter()
    assert touch(body, counter).status_code == 400
    assert counter.touches == []


def test_a_refusal_is_a_conflict_with_its_reason() -> None:
    answer = touch({"action": "pay", "method": "card"}, Counter(TouchReply(ok=False, message="not now")))
    assert answer.status_code == 409
    assert answer.json() == {"ok": False, "message": "not now"}


def test_a_body_is_read_no_further_than_its_limit() -> None:
    pulled = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal pulled
        for _ in range(1000):
            pulled += 1
            yield b" " * 1024

    answer = ask(lambda client: client.post("/api/v1/touch", content=endless()))
    assert answer.status_code == 413
    assert pulled <= BODY_BYTES_MAX // 1024 + 2


def test_a_fault_of_the_cart_is_one_calm_line() -> None:
    async def broken(_: TouchRequest) -> TouchReply:
        raise RuntimeError("boom")

    answer = ask(lambda client: client.post("/api/v1/touch", json={"action": "help"}), on_touch=broken)
    assert answer.status_code == 500
    assert "boom" not in answer.text
    assert list(answer.json()) == ["error"]


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example:80", "10.0.0.7", "localhost.", ""])
def test_another_name_for_this_machine_is_refused(host: str) -> None:
    answer = ask(lambda client: client.get("/api/v1/trip", headers={"Host": host}))
    assert answer.status_code == 421


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:8080", "localhost:8080", "LOCALHOST", "[::1]:8080", "[::1]"])
def test_loopback_names_are_served(host: str) -> None:
    answer = ask(lambda client: client.get("/", headers={"Host": host}))
    assert answer.status_code == 200
    assert "/page/main.js" in answer.text


def test_only_a_port_is_cut_from_a_host() -> None:
    assert host_name("[::1]") == "[::1]"
    assert host_name("Localhost:80") == "localhost"


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "https://127.0.0.1", "http://127.0.0.1:9999"])
def test_another_site_s_touch_is_refused(origin: str) -> None:
    counter = Counter()
    answer = touch({"action": "help"}, counter, {"Origin": origin, "Content-Type": "application/json"})
    assert answer.status_code == 403
    assert counter.touches == []


def test_the_own_page_s_touch_is_taken_as_json_only() -> None:
    good = {"Origin": BASE, "Content-Type": "application/json; charset=utf-8"}
    assert touch({"action": "help"}, headers=good).status_code == 200
    assert touch({"action": "help"}, headers=good | {"Content-Type": "text/plain"}).status_code == 415


@pytest.mark.parametrize("path", ["/", "/page/main.js", "/api/v1/trip", "/api/v1/openapi.json", "/nowhere"])
def test_every_answer_is_locked_down(path: str) -> None:
    headers = ask(lambda client: client.get(path)).headers
    policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == "'self'"
    assert policy["frame-ancestors"] == "'none'"
    assert headers["x-frame-options"] == "DENY"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"


@pytest.mark.parametrize("path", ["/page/../server.py", "/page/%2e%2e/server.py", "/server.py", "/page/"])
def test_nothing_but_the_page_is_served(path: str) -> None:
    answer = ask(lambda client: client.get(path))
    assert answer.status_code == 404
    assert "error" in answer.json()


def test_the_trip_is_the_whole_view() -> None:
    feed = ViewFeed()
    assert ask(lambda client: client.get("/api/v1/trip"), feed).status_code == 503
    feed.publish(STATES["question_unscanned"])
    answer = ask(lambda client: client.get("/api/v1/trip"), feed)
    assert msgspec.json.decode(answer.content, type=TripView) == STATES["question_unscanned"]


def test_produce_is_what_is_sold_by_weight() -> None:
    feed = ViewFeed()
    assert ask(lambda client: client.get("/api/v1/catalog/produce"), feed).json()["items"] == []
    feed.publish_catalog(CATALOG)
    items = ask(lambda client: client.get("/api/v1/catalog/produce"), feed).json()["items"]
    assert {item["sku"] for item in items} == {item.sku for item in CATALOG.items if item.unit == "kg"}
    assert [item["name"] for item in items] == sorted(item["name"] for item in items)
    assert items[0] == {"sku": "4225", "name": "Avocado", "names": {"de": "Avocado"}, "plu": "4225", "price_minor": 799}


def test_the_openapi_document_is_current() -> None:
    assert OPENAPI.read_bytes() == openapi.render(), "run python -m cart.screen.openapi"
    assert ask(lambda client: client.get("/api/v1/openapi.json")).json() == openapi.build_document()


@pytest.mark.parametrize("name", list(STATES))
def test_the_document_describes_each_view(name: str) -> None:
    document = openapi.build_document()
    schema = {"$ref": "#/components/schemas/TripView", "components": document["components"]}
    jsonschema.Draft202012Validator(schema).validate(json.loads(msgspec.json.encode(STATES[name])))


def test_the_document_knows_a_touch_from_none() -> None:
    document = openapi.build_document()
    schema = {"$ref": "#/components/schemas/TouchRequest", "components": document["components"]}
    validator = jsonschema.Draft202012Validator(schema)
    assert all(validator.is_valid(body) for body in TOUCHES)
    assert not validator.is_valid({"action": "quantity", "line": 1, "units": 0})
    assert not validator.is_valid({"action": "start", "extra": 1})


@asynccontextmanager
async def served(feed: ViewFeed, on_touch: Counter | None = None) -> AsyncIterator[httpx.AsyncClient]:
    """The real server on a free port, and a client of it."""
    server = ScreenServer(feed, on_touch or Counter(), port=0)
    task = asyncio.create_task(server.serve())
    try:
        async with httpx.AsyncClient(base_url=server.url, timeout=5) as client:
            yield client
    finally:
        server.stop()
        async with asyncio.timeout(5):
            await task


async def events(response: httpx.Response) -> AsyncIterator[tuple[str, Any]]:
    """The stream's events by name; comments and `retry` are left out."""
    name = ""
    async for text in response.aiter_lines():
        if text.startswith("event: "):
            name = text.removeprefix("event: ")
        elif text.startswith("data: "):
            yield name, json.loads(text.removeprefix("data: "))


def revised(number: int) -> TripView:
    return msgspec.structs.replace(view(), revision=number)


def test_a_reader_gets_the_current_view_then_changes_then_beats() -> None:
    async def scenario() -> None:
        feed = ViewFeed(heartbeat_s=0.05)
        feed.publish(revised(1))
        async with served(feed) as client, client.stream("GET", "/api/v1/events") as response:
            assert response.headers["content-type"].startswith("text/event-stream")
            stream = events(response)
            name, data = await anext(stream)
            assert (name, data["revision"]) == ("view", 1)
            assert (await anext(stream))[0] == "beat"
            feed.publish(revised(2))
            seen = [event async for event in until_view(stream)]
            assert seen[-1]["revision"] == 2

    asyncio.run(scenario())


async def until_view(stream: AsyncIterator[tuple[str, Any]]) -> AsyncIterator[dict[str, Any]]:
    async for name, data in stream:
        if name == "view":
            yield data
            return


def test_a_slow_reader_gets_the_newest_view_only() -> None:
    async def scenario() -> list[int]:
        feed = ViewFeed(heartbeat_s=5)
        feed.publish(revised(1))
        seen = []
        async for data in feed.follow():
            assert data is not None
            seen.append(json.loads(data)["revision"])
            if seen[-1] == 1:
                for number in range(2, 1001):
                    feed.publish(revised(number))
                    await asyncio.sleep(0)
            else:
                break
        return seen

    assert asyncio.run(scenario()) == [1, 1000]


def test_readers_are_bounded_and_given_back() -> None:
    async def scenario() -> None:
        feed = ViewFeed(readers_max=1, heartbeat_s=0.05)
        feed.publish(revised(1))
        async with served(feed) as client:
            async with client.stream("GET", "/api/v1/events") as response:
                await anext(events(response))
                assert (await client.get("/api/v1/events")).status_code == 503
            async with asyncio.timeout(3):
                while feed.readers > 0:  # noqa: ASYNC110 - nothing tells when a reader's departure was noticed
                    await asyncio.sleep(0.02)
            async with client.stream("GET", "/api/v1/events") as response:
                assert (await anext(events(response)))[1]["revision"] == 1

    asyncio.run(scenario())


def test_stopping_ends_open_streams_at_once() -> None:
    async def scenario() -> float:
        feed = ViewFeed(heartbeat_s=60)
        feed.publish(revised(1))
        server = ScreenServer(feed, Counter(), port=0)
        task = asyncio.create_task(server.serve())
        async with httpx.AsyncClient(base_url=server.url) as client, client.stream("GET", "/api/v1/events") as response:
            stream = events(response)
            await anext(stream)
            began = asyncio.get_running_loop().time()
            server.stop()
            assert [event async for event in stream] == []
        await task
        return asyncio.get_running_loop().time() - began

    assert asyncio.run(scenario()) < 2.0


def test_a_taken_port_is_one_line() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(ScreenError, match=rf"port {port} .*\[screen\] port"):
            ScreenServer(ViewFeed(), Counter(), port=port)


def test_it_listens_on_loopback_only() -> None:
    async def scenario() -> str:
        server = ScreenServer(ViewFeed(), Counter(), port=0)
        bound: str = server._socket.getsockname()[0]
        server.stop()
        return bound

    assert asyncio.run(scenario()) == "127.0.0.1"
