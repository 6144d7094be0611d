"""Tests of `cbm audit`: what wrote the data is real, what tampers with it is a hand in the database."""
