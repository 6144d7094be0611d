"""Everything that was published, with its evidence and its documents, in a folder: for an archive. Four at a time.

    python examples/archive_documents.py http://127.0.0.1:8750 archive/

Each submission becomes a folder named by its id, with the evidence pack (`cbm verify` reads it) and every document beside it,
proven to be the one that was committed to. What is there already is left alone, so it may be run again and again.
"""

import asyncio
import sys
from pathlib import Path

from exchange.client import AsyncClient, Submission

AT_ONCE = 4


async def keep(node: AsyncClient, item: Submission, archive: Path) -> None:
    folder, fresh = archive / item["id"], archive / f"{item['id']}.part"
    if folder.exists():
        return
    fresh.mkdir(parents=True, exist_ok=True)
    (fresh / "evidence.zip").write_bytes(await node.pack(item["id"]))
    for document in item["documents"]:
        if document["held"]:
            with open(fresh / document["commitment"], "wb") as file:
                await node.download(document["commitment"], file.write)
    fresh.rename(folder)  # whole, or not at all
    print(item["participant"], item["form"], item["id"])


async def main(url: str, archive: Path) -> None:
    turns = asyncio.Semaphore(AT_ONCE)

    async def in_turn(item: Submission) -> None:
        try:
            await keep(node, item, archive)
        finally:
            turns.release()

    async with AsyncClient(url) as node, asyncio.TaskGroup() as tasks:
        async for item in node.submissions(status=["actual", "exercise", "test"]):
            await turns.acquire()
            tasks.create_task(in_turn(item))


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    asyncio.run(main(sys.argv[1], Path(sys.argv[2])))
