"""Options that many verbs share, each described once."""

from __future__ import annotations

from typing import Annotated

import typer

Store = Annotated[
    str | None,
    typer.Option("--store", metavar="FOLDER", help="Folder of the store, or its postgresql:// URL (or HASHSVC_STORE)"),
]
Server = Annotated[
    str | None,
    typer.Option(
        "--server",
        metavar="HOST:PORT",
        help="Speak to this server, or to these shards (A,B,C), instead of opening a store",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout and nothing else there")]
Where = Annotated[
    list[str] | None,
    typer.Option(
        "--where", metavar="FILTER", help="Only items whose metadata pass, as in 'year >= 2020 and lang = en'"
    ),
]
CollectionName = Annotated[str, typer.Argument(metavar="COLLECTION", help="Name of the collection")]
Sources = Annotated[
    list[str],
    typer.Argument(
        metavar="SOURCE",
        help="Folders of texts or images, .jsonl, .csv, .parquet or .npy files, or fsspec URLs of those",
    ),
]
KeyColumn = Annotated[
    str | None, typer.Option("--key", metavar="COLUMN", help="Column that holds the key; by default 'key' or the place")
]
ContentColumn = Annotated[
    str | None, typer.Option("--content", metavar="COLUMN", help="Column that holds the text, image path or vector")
]
MetadataColumns = Annotated[
    list[str] | None,
    typer.Option("--metadata", metavar="COLUMN", help="Column to keep as metadata, repeatable; by default all others"),
]
