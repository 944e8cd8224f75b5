"""The life of a request, the same for every transport."""
