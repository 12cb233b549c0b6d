"""From a faulty PyTorch program to the smallest model module that still fails: extract, print, shrink, probe."""
