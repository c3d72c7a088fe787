"""`cart run`: drivers in their processes and threads, the core in one asyncio loop, the journal behind it."""
