"""What is made from the code for readers: pages of docs/reference/, the board, the schema of a policy."""
