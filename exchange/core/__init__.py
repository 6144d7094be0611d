"""Bytes to values and back. Pure: no files, no network, no clock, no database."""
