"""The verb `encoder`: exports the encoder that training and serving share."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from training.encoder import EncoderReport

encoder = typer.Typer(add_completion=False, rich_markup_mode=None, no_args_is_help=True)


@encoder.callback()
def root() -> None:
    """The encoder that training and serving share.

    Example: thinkworth encoder export --out models/encoder
    """


@encoder.command()
def export(
    source: Annotated[str, typer.Option("--from", help="A sentence-transformers name or path.")] = "all-MiniLM-L6-v2",
    out: Annotated[Path, typer.Option(help="Folder to write; an encoder there is replaced whole.")] = Path(
        "models/encoder"
    ),
    max_tokens: Annotated[
        int, typer.Option(min=8, max=8192, help="Token window; longer texts keep head and tail.")
    ] = 256,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Export a sentence-transformers model to int8 ONNX and print how near it is to fp32.

    Bundles trained on another encoder refuse the new one: train them again.

    Example: thinkworth encoder export --from all-MiniLM-L6-v2 --out models/encoder
    """
    from training.encoder import export_encoder

    report = export_encoder(source, out, max_tokens=max_tokens)
    typer.echo(json.dumps(asdict(report)) if as_json else _text(report))


def _text(report: "EncoderReport") -> str:
    parity = report.parity
    return (
        f"{report.folder}: {report.identity}, {report.dimension} dimensions, window {report.max_tokens} tokens, "
        f"{report.bytes / 1e6:.1f} MB\n"
        f"parity with fp32 over {parity.texts} texts: cosine mean {parity.mean_cosine}, min {parity.min_cosine}"
    )
