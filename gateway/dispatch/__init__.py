"""Walking a decision: retries, breakers, reservations, deadlines."""
