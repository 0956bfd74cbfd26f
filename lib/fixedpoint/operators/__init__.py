"""The integer steps of a program: each is a callable from integer arrays to one integer array."""
