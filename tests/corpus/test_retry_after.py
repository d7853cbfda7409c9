"""The header Retry-After: seconds or a date, and whatever else stands there."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from prima_jax.corpus.retry_after import retry_after


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("42", 42.0), ("0", 0.0), ("-5", 0.0), ("1.5", 1.5), ("soon", None), ("nan", None), ("", None), (None, None)],
)
def test_seconds_and_nonsense(value, seconds):
    assert retry_after(value) == seconds


def test_it_may_be_a_date():
    asked = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    assert 80 < retry_after(asked) <= 90
    assert retry_after("Wed, 21 Oct 2015 07:28:00 GMT") == 0.0
