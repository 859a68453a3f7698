"""The verb `encoder`: exports the encoder that training and serving share."""

import json
from pathlib import Path
from typing import Annotated

import typer

encoder = typer.Typer(add_completion=False, rich_markup_mode=None, no_args_is_help=True)


@encoder.callback()
def root() -> None:
    """The encoder that training and serving share."""


@encoder.command()
def export(
    source: Annotated[str, typer.Option("--from", help="A sentence-transformers name or path.")] = "all-MiniLM-L6-v2",
    out: Annotated[Path, typer.Option(help="Folder to write; replaced whole.")] = Path("models/encoder"),
    max_tokens: Annotated[
        int, typer.Option(min=8, max=8192, help="Token window; longer texts keep head and tail.")
    ] = 256,
) -> None:
    """Export a sentence-transformers model to int8 ONNX and print its parity with fp32 as JSON.

    Example: thinkworth encoder export --from all-MiniLM-L6-v2 --out models/encoder
    """
    from training.encoder import export_encoder

    typer.echo(json.dumps(export_encoder(source, out, max_tokens=max_tokens)))
