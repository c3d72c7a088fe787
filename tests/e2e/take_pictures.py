"""Takes the README's pictures from a running demo: `python -m tests.e2e.take_pictures`. Needs Debian's chromium."""

from __future__ import annotations

import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

from cart.bench.live_stack import LiveStack, started_stack
from tests.e2e.conftest import open_chromium

PICTURES = Path(__file__).parent.parent.parent / "docs" / "pictures"


def confirmed(count: int, view: dict[str, Any]) -> bool:
    """Whether so many lines are there and all are in the basket."""
    return len(view["lines"]) == count and all(line["state"] == "confirmed" for line in view["lines"])


def shop(stack: LiveStack) -> None:
    """Half a trip: things scanned and put in, produce weighed, one thing waiting to be put in."""
    for count, sku in enumerate(("0001", "0050", "0016"), start=1):
        stack.world("scan", sku=sku)
        stack.world("put_in", sku=sku)
        stack.until(partial(confirmed, count))
    stack.world("scan", sku="0053")
    stack.until(partial(confirmed, 4))
    stack.touch("produce", sku="0028")
    stack.world("put_in", sku="0028")
    stack.until(partial(confirmed, 5))
    stack.world("scan", sku="0056")
    time.sleep(0.7)


def main() -> None:
    """Shop a little, and take the screen's, the bench's and the till's pictures, and the receipt's."""
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, started_stack(Path(folder)) as stack:
        browser = open_chromium(Path(folder) / "profile")
        try:
            browser.get(stack.screen_url)
            shop(stack)
            browser.save_screenshot(str(PICTURES / "screen.png"))
            browser.get(stack.bench_url)
            time.sleep(1.5)
            browser.save_screenshot(str(PICTURES / "bench.png"))
            browser.get(stack.till_url)
            time.sleep(1.5)
            browser.save_screenshot(str(PICTURES / "till.png"))
            stack.world("put_in", sku="0056")
            stack.until(partial(confirmed, 6))
            browser.get(stack.screen_url)
            stack.pay()
            stack.until(lambda view: view["phase"] == "paid")
            time.sleep(1.0)
            browser.save_screenshot(str(PICTURES / "receipt.png"))
        finally:
            browser.quit()


if __name__ == "__main__":
    main()
