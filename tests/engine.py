"""On which engine the nodes of the running test keep their data: sqlite, postgresql, or none where a test opens no database.

Every test runs on each of the two. Those of core and trust, and those marked `once`, run once and open none; what is about
a file of SQLite is marked `sqlite`, what is about a server `postgresql`. tests/conftest.py sets the name, and fails a
test that opens another database.
"""

NONE = "none"

name = NONE
