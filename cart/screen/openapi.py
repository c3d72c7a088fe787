"""Makes `openapi.json` from the structs that validate the requests: `python -m cart.screen.openapi` writes it."""

from __future__ import annotations

import inspect
from typing import Any

import msgspec

from cart.core.view import TripView
from cart.screen.feed import ProduceList
from cart.screen.server import OPENAPI
from cart.screen.touches import TouchReply, TouchRequest

REF = "#/components/schemas/{name}"


class Error(msgspec.Struct, frozen=True):
    """Any refusal: one line that says what to do."""

    error: str


def schemas() -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The four bodies as references, and every schema they need."""
    outs, components = msgspec.json.schema_components((TripView, ProduceList, TouchReply, Error), ref_template=REF)
    (touch,), touch_components = msgspec.json.schema_components((TouchRequest,), ref_template=REF)
    components |= touch_components
    components["TouchRequest"] = touch
    for schema in components.values():
        if "description" in schema:
            schema["description"] = inspect.cleandoc(schema["description"])
    return list(outs), dict(sorted(components.items()))


def answer(description: str, schema: dict[str, Any], media: str = "application/json") -> dict[str, Any]:
    return {"description": description, "content": {media: {"schema": schema}}}


def build_document() -> dict[str, Any]:
    """The OpenAPI 3.1 document of the screen's server."""
    (trip, produce, reply, error), components = schemas()
    refused = answer("The request is not for this server, or not well formed.", error)
    touch = {
        "summary": "One shopper action",
        "operationId": "touch",
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {"$ref": REF.format(name="TouchRequest")}}},
        },
        "responses": {
            "200": answer("Done; the change comes with the next view.", reply),
            "400": answer("Not a touch; the line says why.", error),
            "403": answer("Sent by another site's page.", error),
            "409": answer("A well-formed touch that the cart can't take now; `message` says why.", reply),
            "413": answer("Larger than any touch.", error),
            "415": answer("A page sent something other than JSON.", error),
            "503": answer("The cart did not answer in time.", error),
        },
    }
    stream = (
        "Events `view` (data: a TripView, at once and on each change, the newest only) and `beat` (data: {}, when there"
        " is nothing new for two seconds)."
    )
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "The cart's screen",
            "version": "1",
            "description": "Served on loopback only. Money is integer minor units of `currency`, weights are grams.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "http://127.0.0.1:8080"}],
        "paths": {
            "/api/v1/trip": {
                "get": {
                    "summary": "The whole view",
                    "operationId": "trip",
                    "responses": {
                        "200": answer("What the screen shows now.", trip),
                        "421": refused,
                        "503": answer("The cart is still starting.", error),
                    },
                }
            },
            "/api/v1/events": {
                "get": {
                    "summary": "The whole view, pushed on each change",
                    "operationId": "events",
                    "responses": {
                        "200": answer(stream, {"type": "string"}, "text/event-stream"),
                        "421": refused,
                        "503": answer("Too many readers.", error),
                    },
                }
            },
            "/api/v1/touch": {"post": touch},
            "/api/v1/catalog/produce": {
                "get": {
                    "summary": "Loose produce, by name and PLU",
                    "operationId": "produce",
                    "responses": {"200": answer("Sorted by name.", produce), "421": refused},
                }
            },
        },
        "components": {"schemas": components},
    }


def render() -> bytes:
    """The document as it stands in the repository."""
    return msgspec.json.format(msgspec.json.encode(build_document()), indent=2) + b"\n"


if __name__ == "__main__":
    OPENAPI.write_bytes(render())
