"""What tests share: doubles, servers, cases and fixtures, each defined once."""
