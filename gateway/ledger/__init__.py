"""The ledger: what may still be spent, what is reserved, and what was charged, in nano-dollars."""
