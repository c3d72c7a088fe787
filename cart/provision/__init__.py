"""Identities: a cart's key and request, the store's authority that signs and revokes; what a cart's system needs."""
