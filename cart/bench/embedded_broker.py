"""A small MQTT broker in a process of its own, for a machine without mosquitto.

Usage: `python -m cart.bench.embedded_broker PORT`. amqtt speaks MQTT 3.1.1 only and forgets sessions; the
cart's client falls back to 3.1.1 and relies on neither.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import sys


async def serve(port: int) -> None:
    """Serve on 127.0.0.1 until SIGTERM or SIGINT."""
    from amqtt.broker import Broker  # comes with the extra `demo`

    broker = Broker(
        {
            "listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{port}", "max_connections": 32}},
            "plugins": {
                "amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True},
            },
        }
    )
    leaving = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, leaving.set)
    await broker.start()
    await leaving.wait()
    await broker.shutdown()


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    asyncio.run(serve(int(sys.argv[1])))
