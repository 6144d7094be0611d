"""HTTP for machines: each route is a few lines over a use case or the store. Pages for people will live in web/."""
