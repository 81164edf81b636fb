"""Answers for many pictures: in order, in bounded memory, on one machine or several."""
