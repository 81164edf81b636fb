"""Seeing: from any image file to the 28×28 image that the network reads."""
