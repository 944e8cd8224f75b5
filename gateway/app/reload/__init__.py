"""A new policy for a process that serves: read, checked, and put in place."""
