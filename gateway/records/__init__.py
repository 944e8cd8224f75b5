"""Records of decisions: written as a hash chain, verified, and read by replay, diff and learning."""
