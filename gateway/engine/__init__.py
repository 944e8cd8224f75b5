"""The edge process: llama.cpp behind a unix socket, and what watches it."""
