"""Which database the nodes of this run keep their data in: sqlite, or postgresql (`pytest --engine postgresql`)."""

name = "sqlite"
