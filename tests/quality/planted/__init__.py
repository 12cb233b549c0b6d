"""A catalogue of faults that are planted into a conversion on purpose, each with the stage it is planted in."""

from planted.catalogue import FAULTS, TENSORFLOW_FAULTS, fault_named
from planted.faults import Fault, Where
from planted.registration import check_with, planted

__all__ = ["FAULTS", "TENSORFLOW_FAULTS", "Fault", "Where", "check_with", "fault_named", "planted"]
