"""The ledger: what is charged and reserved against budgets, in nano-dollars."""
