"""How well a model reads: figures, bars to reach, and the report."""
