"""All SQL of the exchange. Hands out values, never rows or sessions."""
