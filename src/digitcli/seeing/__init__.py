"""Seeing: from any image file to a scene of ink on paper, and to the form the network reads."""
