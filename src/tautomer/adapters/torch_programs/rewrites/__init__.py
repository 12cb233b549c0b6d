"""Stable equivalents of ATen operators, and putting them in the place of located nodes (docs/reference/rewrites.md)."""
