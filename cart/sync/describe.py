"""The protocol as an AsyncAPI 3.0 document with JSON Schemas, made from the messages: `python -m cart.sync.describe`.

asyncapi.com/docs/reference/specification/v3.0.0. Directions are the store's: it receives what carts send.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Final

import msgspec

from cart.catalog_schema import with_plain_descriptions
from cart.core.catalog import Catalog
from cart.core.ledger import LedgerEvent
from cart.sync import messages
from cart.sync.topics import CHANNELS, RETAINED, Channel

TYPES: Final[dict[Channel, type[messages.Message]]] = {
    "up/status": messages.StatusMessage,
    "up/total": messages.TotalMessage,
    "up/health": messages.HealthMessage,
    "up/ledger": messages.LedgerMessage,
    "up/ledger/ask": messages.LedgerAskMessage,
    "up/help": messages.HelpMessage,
    "up/payment/request": messages.PaymentRequestMessage,
    "up/payment/query": messages.PaymentQueryMessage,
    "up/payment/cancel": messages.PaymentCancelMessage,
    "up/receipt": messages.ReceiptMessage,
    "down/ledger/ack": messages.LedgerAckMessage,
    "down/ledger/return": messages.LedgerReturnMessage,
    "down/payment/result": messages.PaymentResultMessage,
    "down/command": messages.CommandMessage,
}
DOCUMENT: Final = Path("docs/asyncapi.json")
_REFS: Final = "#/components/schemas/{name}"
_CATALOGUE: Final = "catalogue"
_SEALED: Final = "signed_catalogue"


def describe() -> dict[str, Any]:
    """The whole document."""
    named = {_name(channel): kind for channel, kind in TYPES.items()}
    _, schemas = msgspec.json.schema_components(
        [*named.values(), Catalog, messages.SignedCatalogue, LedgerEvent], ref_template=_REFS
    )
    schemas["LedgerMessage"]["properties"]["event"] = _schema_of_event()
    schemas["SignedCatalogue"]["properties"]["catalogue"] = {"$ref": _REFS.format(name="Catalog")}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Smart cart and store",
            "version": "1.2.0",
            "description": (
                "JSON over MQTT 3.1.1 or 5, QoS 1, clean sessions. A cart writes only below its `up/` and reads only "
                "below its `down/` and the catalogue. Ids and correlation are in the payload; delivery may be repeated "
                "and reordered. A ledger row is the store's only once `down/ledger/ack` says so. "
                "After each start a cart asks how far the store holds its chain (`up/ledger/ask`), and tells no row or "
                "total and heeds no payment result before it knows; rows that it has lost come back by "
                "`down/ledger/return`. An attempt is charged "
                "at most once for its id; `not_found` and `cancelled` promise that it never will be. "
                "How a ledger row's hash is made stands in cart/core/chain.py, what the store's signatures cover in "
                "cart/sync/signatures.py. Unknown fields are ignored."
            ),
        },
        "defaultContentType": "application/json",
        "channels": {_name(channel): _channel(channel) for channel in CHANNELS} | {_CATALOGUE: _catalogue_channel()},
        "operations": {
            name: {
                "action": "receive" if channel.startswith("up/") else "send",
                "channel": {"$ref": f"#/channels/{name}"},
                "bindings": {"mqtt": {"qos": 1, "retain": channel in RETAINED}},
            }
            for name, channel in ((_name(channel), channel) for channel in CHANNELS)
        }
        | {
            _CATALOGUE: {
                "action": "send",
                "channel": {"$ref": f"#/channels/{_CATALOGUE}"},
                "bindings": {"mqtt": {"qos": 1, "retain": True}},
            }
        },
        "components": {
            "messages": {name: _message(name, kind.__name__, kind.__doc__) for name, kind in named.items()}
            | {
                _CATALOGUE: _message(_CATALOGUE, "Catalog", Catalog.__doc__),
                _SEALED: _message(_SEALED, "SignedCatalogue", messages.SignedCatalogue.__doc__),
            },
            "schemas": schemas,
        },
    }


def schema_of(channel: Channel) -> dict[str, Any]:
    """The JSON Schema of one channel's payload, complete in itself, for a validator."""
    document = describe()
    name = TYPES[channel].__name__
    return {"$ref": f"#/components/schemas/{name}", "components": document["components"]}


def text() -> str:
    """The document as it stands in the repository."""
    described = with_plain_descriptions(describe())
    return msgspec.json.format(msgspec.json.encode(described, order="deterministic"), indent=2).decode() + "\n"


def _schema_of_event() -> dict[str, Any]:
    (schema,), _ = msgspec.json.schema_components([LedgerEvent], ref_template=_REFS)
    return schema | {"description": "The ledger event; the row's hash covers its bytes as sent."}


def _name(channel: Channel) -> str:
    direction, *rest = channel.split("/")
    return f"{direction}_{'_'.join(rest)}"


def _channel(channel: Channel) -> dict[str, Any]:
    name = _name(channel)
    return {
        "address": f"store/{{store}}/cart/{{cart}}/{channel}",
        "parameters": {"store": {"description": "The store's id."}, "cart": {"description": "The cart's id."}},
        "messages": {name: {"$ref": f"#/components/messages/{name}"}},
    }


def _catalogue_channel() -> dict[str, Any]:
    return {
        "address": "store/{store}/catalogue/current",
        "parameters": {"store": {"description": "The store's id."}},
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in (_CATALOGUE, _SEALED)},
    }


def _message(name: str, schema: str, described: str | None) -> dict[str, Any]:
    return {
        "name": name,
        "summary": " ".join((described or "").split()),
        "payload": {"$ref": _REFS.format(name=schema)},
    }


def main() -> None:
    """Write the document, or with `--check` say whether it is current."""
    if "--check" in sys.argv[1:]:
        sys.exit(0 if DOCUMENT.read_text(encoding="utf-8") == text() else f"{DOCUMENT} is old; write it anew")
    DOCUMENT.write_text(text(), encoding="utf-8")


if __name__ == "__main__":
    main()
