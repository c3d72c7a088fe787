"""The pure core: observations with their times go in, ledger events and other effects come out.

No I/O, no clock, no threads, no randomness. Ids and random numbers enter as observations, so a power cut, a replay, a
property test and a live cart all run the same code.
"""
