"""What a connection wants to hear: topics of its own, and topics that a group shares where the broker can do that.

Everything here runs in paho's thread, once a connection.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, Final

from paho.mqtt import client as paho
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

log = logging.getLogger(__name__)

SHARE_ID: Final = 1
"""Subscription identifier of what a group shares, so that its copy of a message is told from a plain one (MQTT 5,
3.8.2.1.2)."""


class Subscriptions:
    """Of each message on a `shared` topic one of the `group` gets a copy (MQTT 5, 4.8.2). Where the broker can't do
    that, `shares` is False, everybody hears them, and the group must part them some other way.
    """

    def __init__(self, client_id: str, own: Sequence[str], *, group: str = "", shared: Sequence[str] = ()) -> None:
        self.own = own
        self.shared = shared
        self.shares = False
        self._client_id = client_id
        self._group = group
        self._asked: dict[int, list[str]] = {}
        """SUBSCRIBE's number → topics, while the answer is awaited."""

    @property
    def answered(self) -> bool:
        """True once the broker has answered all that it was asked."""
        return not self._asked

    def ask(self, client: paho.Client, properties: Any, *, v5: bool) -> None:
        """On a new connection, with what CONNACK said of the broker."""
        self._asked.clear()
        can = v5 and getattr(properties, "SharedSubscriptionAvailable", 1) == 1
        self.shares = bool(self.shared) and can
        self._ask_for(client, [*self.own, *([] if self.shares else self.shared)], v5=v5)
        if self.shares:
            identified = Properties(PacketTypes.SUBSCRIBE)  # type: ignore[no-untyped-call]
            identified.SubscriptionIdentifier = SHARE_ID
            self._ask_for(client, [f"$share/{self._group}/{topic}" for topic in self.shared], identified, v5=v5)

    def take(self, client: paho.Client, mid: int, reasons: Any, *, v5: bool) -> str:
        """The broker's answer to one question; says why the connection is of no use, or nothing. A broker that shares
        nothing is asked for all of it.
        """
        topics = self._asked.pop(mid, [])
        refused = [topic for topic, reason in zip(topics, reasons, strict=False) if reason.is_failure]
        if refused and topics[0].startswith("$share/"):
            log.warning("the broker doesn't share subscriptions; %s hears all, and parts the carts", self._client_id)
            self.shares = False
            self._ask_for(client, list(self.shared), v5=v5)
        elif refused:
            # Who hears nothing isn't linked. NATS refuses so where its cluster has no time, just after a node's death.
            return f"the broker refuses to let {self._client_id} read {refused}; check its access list"
        return ""

    def _ask_for(
        self, client: paho.Client, topics: list[str], properties: Properties | None = None, *, v5: bool
    ) -> None:
        if not topics:
            return
        wanted: Any = [(topic, SubscribeOptions(qos=1)) if v5 else (topic, 1) for topic in topics]
        _, mid = client.subscribe(wanted, properties=properties)
        if mid is not None:
            self._asked[mid] = topics


def came_by_share(message: paho.MQTTMessage) -> bool:
    """True for the one copy that the group got."""
    return SHARE_ID in getattr(message.properties, "SubscriptionIdentifier", ())
