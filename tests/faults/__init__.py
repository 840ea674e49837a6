"""Faults under load: long runs that print their figures (`make faults`); the suite runs them short."""
