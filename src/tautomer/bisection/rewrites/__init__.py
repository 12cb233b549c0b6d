"""Workarounds by rewriting: stable equivalents, decompositions and graph patches, each verified by a full check."""

from tautomer.bisection.rewrites.finding import VerifiedRewrite, find_rewrite

__all__ = ["VerifiedRewrite", "find_rewrite"]
