"""`cart run`: the composition root. Drivers in their processes and threads, the core in one asyncio loop, the journal behind it."""
