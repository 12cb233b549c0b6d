"""Seeded faults (mutants) of ONNX graphs: kinds, the places where a model can have them, and the faulty models."""

from tautomer.adapters.onnx_files.mutants.choice import apply, choose, sites
from tautomer.adapters.onnx_files.mutants.registry import KINDS
from tautomer.adapters.onnx_files.mutants.site import Family, Kind, Site
from tautomer.adapters.onnx_files.mutants.subject import Mutant, Subject

__all__ = ["KINDS", "Family", "Kind", "Mutant", "Site", "Subject", "apply", "choose", "sites"]
