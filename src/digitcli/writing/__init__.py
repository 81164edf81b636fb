"""Writing: digits as people all over the world write them, and what is no digit, from strokes."""
