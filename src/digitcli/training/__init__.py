"""Trainings: recipes, distortions, epochs, checkpoints and the search for better recipes."""
