"""Twins of the stores for tests."""
