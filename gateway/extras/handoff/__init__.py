"""Hand-off to people: requests that no model answered wait, encrypted, for a person's answer."""
