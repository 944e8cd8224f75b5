"""`gateway demo`: every route once, on real parts."""
