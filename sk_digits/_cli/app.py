"""The application: its commands, their errors in one line, and their exit codes."""

from __future__ import annotations

import functools
import inspect
import warnings
from collections.abc import Callable
from typing import Annotated, Any

import typer

FAILED, WRONG_INPUT, INTERRUPTED = 1, 2, 130

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Recognise handwritten digits.",
    epilog="Exit codes: 0 done, 1 a part could not be done, 2 wrong input, 130 stopped by Ctrl-C. "
    "NO_COLOR=1 leaves out colours.",
)

Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print the result and no progress.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show where in the code an error arose.")]


def say(message: object) -> None:
    """Print one line on standard error, with the program's name before it."""
    typer.echo(f"sk-digits: {' '.join(str(message).split())}", err=True)


def in_words(error: Exception) -> str:
    """Tell what went wrong in one line."""
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    if isinstance(error, (OSError, ValueError, ImportError)):
        return str(error)
    return f"{type(error).__name__}: {error} (--debug shows where)"


def command(function: Callable[..., None]) -> Callable[..., None]:
    """Add a function as a command whose errors are one line; ``--debug`` shows the traceback."""

    @functools.wraps(function)
    def run(*args: Any, debug: bool, **kwargs: Any) -> None:
        with warnings.catch_warnings():
            warnings.showwarning = lambda message, *args, **kwargs: say(f"warning: {message}")
            try:
                function(*args, **kwargs)
            except (typer.Exit, typer.BadParameter):
                raise
            except (KeyboardInterrupt, typer.Abort) as error:
                say("stopped")
                raise typer.Exit(INTERRUPTED) from error
            except Exception as error:
                if debug:
                    raise
                say(in_words(error))
                raise typer.Exit(WRONG_INPUT) from error

    signature = inspect.signature(function, eval_str=True)
    debug = inspect.Parameter(
        "debug", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=Debug
    )
    run.__signature__ = signature.replace(  # type: ignore[attr-defined]
        parameters=[*signature.parameters.values(), debug]
    )
    run.__annotations__ = function.__annotations__ | {"debug": Debug}
    return app.command()(run)


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
) -> None:
    """Take the options of no command."""


def main() -> None:
    """Run the command line."""
    app(prog_name="sk-digits")
