"""JSON as it is sent: without spaces, in UTF-8 where it can be."""

import json

compact_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
"""Writes a value; json.dumps would make an encoder each time, and that for every event of a stream."""
