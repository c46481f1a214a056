"""Crowds with exact truth: a small world, people who walk in it, cameras that film it, and what is really there."""
