"""Teach the network that tells digits from all else in a scene, from drawn scenes.

python tools/likeness_network.py src/digitcli/reading/likeness.npy

MNIST's training digits are drawn into scenes (benchmarks/scenes.py), seen in all the ways that the
reader sees them, and each part that may be a digit is held against what the drawing knows: a part
is right if it has nearly all of the digit's ink and hardly anything else. The scenes take an hour
of processor time and the network two minutes.
"""
