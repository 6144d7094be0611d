"""`make soak`: a small federation under ten times the expected load, and whether anything grows that should not."""
