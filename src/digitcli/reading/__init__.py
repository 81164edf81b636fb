"""Reading: what is written in a scene, one digit or rows of digits."""
