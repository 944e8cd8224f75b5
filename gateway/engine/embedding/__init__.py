"""The engine of a model that turns texts into vectors."""
