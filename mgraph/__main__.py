"""The program ``mgraph``, or ``python -m mgraph``: what must hold from the first moment on, before other imports.

An interrupt (Ctrl-C) ends it at once, whatever runs, compiled code and threads included: the signal keeps its default
action, and a shell sees exit status 130. What is on disk stays whole, for :mod:`mgraph.files.atomic` holds an interrupt
back while it gives files their names.
"""

import os
import signal


def main() -> None:
    """Run the command line."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # an ignored signal stays ignored
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    _occupy_closed_streams()
    from mgraph.cli.main import main as command_line

    command_line(prog_name="mgraph")


def _occupy_closed_streams() -> None:
    """Open what was closed of the standard streams, to nowhere: else the next file opened would get their number,
    and what a library prints to standard error would end up in it."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free


if __name__ == "__main__":
    main()
