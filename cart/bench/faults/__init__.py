"""Deterministic simulation of a store: cart, link, broker, till and provider on one virtual clock, from one seed."""
