"""`tautomer generate`: models made up by the rules of operators, written as files."""
