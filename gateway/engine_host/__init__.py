"""The owner's side of engine processes: started, watched, restarted."""
