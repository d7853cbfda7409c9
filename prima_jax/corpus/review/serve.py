"""Step review: serves the page until it is stopped."""

from collections import Counter

from ml_collections import ConfigDict

from prima_jax.corpus.folder import CorpusFolder
from prima_jax.corpus.review.app import create_app
from prima_jax.corpus.review.claims import Catalogue
from prima_jax.corpus.review.planted import plant
from prima_jax.corpus.review.store import ReviewStore
from prima_jax.errors import UserError
from prima_jax.pages.security import host_names
from prima_jax.pages.server import address, listen, serve
from prima_jax.studies.study import Study

__all__ = ["run"]

LONGEST_SESSION = 7 * 24.0


def run(config: ConfigDict, study: Study, folder: CorpusFolder) -> str:
    """Prints the page's address and serves it until Ctrl-C or SIGTERM.

    Raises UserError where there are no claims or no reviewers, where config.review is wrong, or the port is taken.
    """
    _check(config)
    claims = list(Catalogue(folder).claims().values())
    folder.needs(folder.articles, "search")
    needed, host = config.review.reviewers, config.review.host
    with ReviewStore(folder.review) as store:
        store.verify()
        if not store.roles():
            raise UserError(
                "There is no reviewer yet: add each with the same command and `reviewer NAME` in place of `review`; "
                "it asks for a passphrase."
            )
        plant(folder, claims, store.database.secret())
    advice = "another review may be running there. Give another --config.review.port or --config.review.host."
    listener = listen(host, config.review.port, advice)
    port = listener.getsockname()[1]
    app = create_app(folder, study, needed=needed, hours=config.review.session_hours, hosts=host_names(host), port=port)
    print(f"The review is {address(host, port)} Ctrl-C closes it, and nothing is lost.", flush=True)
    serve(app, listener)
    with ReviewStore(folder.review) as store:
        states = Counter(outcome.state for outcome in store.outcomes(claims, needed).values())
        told = ", ".join(f"{count} {state.replace('_', ' ')}" for state, count in sorted(states.items()))
        return f"The page was closed with {store.verify()} decisions in {folder.review}; claims: {told}."


def _check(config: ConfigDict) -> None:
    review = config.review
    if not isinstance(review.reviewers, int) or review.reviewers < 1:
        raise UserError(f"config.review.reviewers is {review.reviewers!r}; give how many persons decide each claim, 1 or more.")
    if not 0 < review.session_hours <= LONGEST_SESSION:
        raise UserError(
            f"config.review.session_hours is {review.session_hours!r}; give more than 0 and at most {LONGEST_SESSION:g}."
        )
    if not isinstance(review.host, str) or not review.host.strip():
        raise UserError("config.review.host is empty; give 127.0.0.1, or 0.0.0.0 for the whole network.")
    if not isinstance(review.port, int) or not 0 <= review.port < 65536:
        raise UserError(f"config.review.port is {review.port!r}; give a number from 0 (any free one) to 65535.")
