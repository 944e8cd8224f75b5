"""How the scorer of complexity that ships is made."""
