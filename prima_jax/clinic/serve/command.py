"""prima serve: its flags, and the page from its opening to its end."""

import argparse
import getpass
import sys
from pathlib import Path

from prima_jax.clinic.commands import told
from prima_jax.errors import UserError

__all__ = ["serve"]

LONGEST_UPLOAD = 120.0
"""Seconds: a phone's photographs over a slow network."""


def serve(arguments: list[str]) -> int:
    """Serves the case page until Ctrl-C; returns 0, or 2 for bad input, told in one sentence."""
    parser = argparse.ArgumentParser(
        prog="prima serve",
        description="A page on this machine: type what is known of a patient, add photographs, read the answer. Nothing is kept.",
        epilog="For example: prima serve --model=demo-model",
    )
    parser.add_argument("--model", "--run", required=True, type=Path, help="a bundle, or the --workdir of a finished experiment")
    parser.add_argument("--host", default="127.0.0.1", help="0.0.0.0 opens the page to the network, and takes --password-file")
    parser.add_argument("--port", default=8766, type=int, help="by default 8766; 0: any free one")
    parser.add_argument(
        "--password-file",
        type=Path,
        help="who opens the page signs in; a file that is not there is made, and asks for a passphrase",
    )
    options = parser.parse_args(arguments)

    def command() -> None:
        try:
            _serve(options)
        except ModuleNotFoundError as error:
            raise UserError(f"{error.name}, which the page needs, is not installed: pip install prima-jax[serve].") from error

    return told(command)


def _serve(options: argparse.Namespace) -> None:
    from prima_jax.clinic.serve.app import create_app
    from prima_jax.clinic.serve.desk import Desk
    from prima_jax.clinic.serve.door import read_door, write_hash
    from prima_jax.pages.security import host_names, is_loopback
    from prima_jax.pages.server import address, listen, serve

    if not is_loopback(options.host) and options.password_file is None:
        raise UserError(
            f"--host={options.host} opens the page to the network, where one has to sign in: add --password-file=FILE."
        )
    if not 0 <= options.port < 65536:
        raise UserError(f"--port={options.port}: give a number from 0 (any free one) to 65535.")
    if options.password_file is not None and not options.password_file.exists():
        write_hash(options.password_file, _ask())
    door = None if options.password_file is None else read_door(options.password_file)
    with listen(options.host, options.port, "give another --port or --host.") as listener:
        from prima_jax.clinic.model import load

        desk = Desk(load(options.model), door)
        desk.warm_up()
        port = listener.getsockname()[1]
        app = create_app(desk, hosts=host_names(options.host), port=port)
        print(f"The case page is {address(options.host, port)} Ctrl-C closes it; nothing is kept.", flush=True)
        serve(app, listener, log="critical", longest=LONGEST_UPLOAD)  # below, the server's messages may hold what was sent
    counts = ", ".join(f"{desk.counts[what]} {what}" for what in ("answers", "explanations", "refused", "faults"))
    print(f"The page was closed: {counts}.")


def _ask() -> str:
    asked = sys.stdin.isatty()
    passphrase = getpass.getpass("Passphrase of the page: ") if asked else sys.stdin.readline().rstrip("\n")
    if asked and getpass.getpass("Once more: ") != passphrase:
        raise UserError("The two passphrases differ; nothing was written.")
    return passphrase
