"""Options that several verbs share."""

from pathlib import Path
from typing import Annotated

import typer

NodeUrl = Annotated[str, typer.Option("--node", envvar="CBM_NODE", help="The address of a node; also from CBM_NODE.")]
Json = Annotated[bool, typer.Option("--json", help="Answer in JSON on one line, for machines.")]
Directory = Annotated[Path, typer.Argument(metavar="DIR", help="The directory of the node.")]

DEFAULT_NODE = "http://127.0.0.1:8750"
