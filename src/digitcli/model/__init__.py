"""The network: what it sees, how it computes, and the file that holds it."""
