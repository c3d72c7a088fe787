"""Closed-loop simulated shoppers in virtual time, an auditor of their trips, and what came of them in figures."""
