"""What calls to providers over HTTP share: the client, bodies, events, bounds and refusals."""
