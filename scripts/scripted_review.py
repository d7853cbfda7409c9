"""Decides on every claim of a corpus folder by a rule, so that the demo reaches its end: nobody has read anything.

    python -m scripts.scripted_review --folder=runs/corpus

The reviewer has the role "test", and a corpus that it approves says that it is not vetted. Claims with a flag are rejected,
the others approved.
"""

import argparse
import secrets
import sys
from pathlib import Path

from prima_jax.corpus.check.check import read_claims
from prima_jax.corpus.folder import CorpusFolder
from prima_jax.corpus.review.store import ReviewStore, add_reviewer
from prima_jax.errors import UserError

NAME = "a script"


def main() -> int:
    """Returns 0, or 2 for bad input, told in one sentence."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True)
    try:
        print(decide(CorpusFolder(parser.parse_args().folder)))
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def decide(folder: CorpusFolder) -> str:
    """One decision on each claim that has none yet."""
    claims = read_claims(folder)
    with ReviewStore(folder.review) as store:
        known, decided = NAME in store.roles(), {decision.claim for decision in store.decisions()}
    if not known:
        add_reviewer(folder, NAME, secrets.token_hex(16), "test", "none: a program", "")
    with ReviewStore(folder.review) as store:
        for claim in claims:
            if claim["id"] not in decided:
                flags = ", ".join(flag["code"] for flag in claim["flags"])
                reason = f"flagged: {flags}" if flags else ""
                store.decide(claim, NAME, "reject" if flags else "approve", needed=1, reason=reason)
    return f"A script, not a physician, decided on {len(claims)} claims: {folder.review}."


if __name__ == "__main__":
    sys.exit(main())
