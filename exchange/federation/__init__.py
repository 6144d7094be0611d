"""The others: who they are, and what they published. Never meets node/, which is about our own life."""
