"""The one place that calls llama.cpp."""
