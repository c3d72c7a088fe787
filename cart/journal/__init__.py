"""The cart's memory: an append-only, hash-chained ledger in SQLite, and the outbox to the store."""

from cart.journal.journal import AckOutcome, Journal, Opened
from cart.journal.ledger_file import Head
from cart.journal.problems import JournalProblem, JournalState

__all__ = ["AckOutcome", "Head", "Journal", "JournalProblem", "JournalState", "Opened"]
