"""Work of the commands that need no running gateway; prints nothing."""
