"""How the demo model that ships is made."""
