"""Tests with servers of this process, real gRPC, SQLite and Redis; one folder for each room."""
