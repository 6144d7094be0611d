"""The exchange: nodes with which States publish, pull and verify confidence-building measures."""

__version__ = "0.1.0"
