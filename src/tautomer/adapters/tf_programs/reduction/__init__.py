"""From a faulty TensorFlow program to the smallest model module that still fails: extract, print, shrink, probe."""
