"""`gateway demo`: shows every route once, with real processes."""
