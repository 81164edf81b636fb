"""Datasets: fetched, read from folders and files, or written by a program."""
