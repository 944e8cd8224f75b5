"""The model of names, addresses, places and firms; `shipped/CARD.md` says how it was made."""
