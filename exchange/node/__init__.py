"""A node's own life: its keys, its log, its door, its contacts. Never meets federation/, which is about the others."""
