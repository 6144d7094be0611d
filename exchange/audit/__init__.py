"""A whole node recomputed by somebody who believes nothing it says: tree, signatures, positions, registry, documents, mirrors.

Written from schemas/README.md a second time: beyond `core` and the values of `trust.record` this package shares no code
with what wrote the data (an import contract holds it to that), so that a mistake there is not made again here.
"""
