"""The engine process: llama.cpp served on a unix socket."""
