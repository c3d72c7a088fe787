"""The store's side: publishes the catalogue, answers payment once an attempt, keeps the carts' ledgers, shows them."""
