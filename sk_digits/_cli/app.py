"""The application: its root options, and errors as one line and an exit code."""

from __future__ import annotations

import re
import warnings
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

FAILED, WRONG_INPUT, INTERRUPTED = 1, 2, 130


def say(message: object) -> None:
    """Print one line on standard error, with the program's name before it."""
    text = str(message)
    if "Traceback (most recent call last)" in text:  # scikit-learn's, of fits that failed
        text = " ".join(re.findall(r"^(?:[\w.]+: |.*fits failed).*", text, re.MULTILINE))
    typer.echo(f"sk-digits: {' '.join(text.split())}", err=True)


def in_words(error: Exception) -> str:
    """Return what went wrong, without a traceback."""
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    if isinstance(error, (OSError, ValueError, ImportError)):
        return str(error)
    return f"{type(error).__name__}: {error} (add --debug for the traceback)"


class Commands(TyperGroup):
    """Commands whose errors and warnings are one line each, unless ``--debug`` is given."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Accept ``--debug`` after the name of the command, too, and no model as an argument."""
        if len(args) > 1 and args[1].endswith(".safetensors"):  # as in older releases
            raise typer.BadParameter(
                f"{args[1]} is a model. Give it as: sk-digits {args[0]} --model {args[1]}"
            )
        if "--debug" in args:
            args = ["--debug", *(arg for arg in args if arg != "--debug")]
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run a command."""
        with warnings.catch_warnings():
            warnings.showwarning = lambda message, *args, **kwargs: say(f"warning: {message}")
            try:
                return super().invoke(ctx)
            except (KeyboardInterrupt, typer.Abort) as error:
                say("stopped")
                raise typer.Exit(INTERRUPTED) from error
            except Exception as error:
                # Typer reports its own errors, which have an exit code, and ends in silence if
                # nobody reads the output any more, as in ``sk-digits ... | head``.
                is_typers = hasattr(error, "exit_code") or isinstance(error, BrokenPipeError)
                if is_typers or ctx.params["debug"]:
                    raise
                say(in_words(error))
                raise typer.Exit(WRONG_INPUT) from error


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Recognise handwritten digits.",
    epilog="Exit codes: 0 success, 1 some of the work failed, 2 wrong input, 130 stopped by "
    "Ctrl-C. NO_COLOR=1 turns colours off.",
)


def _show_version(wanted: bool) -> None:
    if wanted:
        from sk_digits import __version__

        typer.echo(f"sk-digits {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
    debug: Annotated[
        bool,
        typer.Option("--debug", help="Show the traceback of an error; may follow the command."),
    ] = False,
) -> None:
    """Declare the options that belong to no command."""


def main() -> None:
    """Run the command line."""
    app(prog_name="sk-digits")
