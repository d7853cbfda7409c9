"""Which way a sentence says that a factor works, on sentences of the field and on their denials."""

import pytest

from prima_jax.corpus.directions import directions


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Smoking increases the risk of carcinoma.", {"raises"}),
        ("Smoking does not increase the risk of carcinoma.", {"none"}),
        ("Sunscreen reduces the risk of melanoma.", {"lowers"}),
        ("Sunscreen cannot prevent melanoma.", {"none"}),
        ("It has not been shown that it prevents cancer.", {"none"}),
        ("Melanoma is less likely to cause death when it is found early.", {"lowers"}),
        ("Dysplastic nevi are more likely than moles to develop into melanoma.", {"raises"}),
        ("People with nevi are no more likely than others to develop melanoma.", {"none"}),
        ("Cancer that is found early is more likely to be treated successfully.", {"lowers"}),
        ("The survival rate is low.", {"raises"}),
        ("Lesions that are removed early have a favorable outlook.", {"lowers"}),
        ("Lesions that are removed late have an unfavorable outlook.", {"raises"}),
        ("Heat favours infection.", {"raises"}),
        ("The survival rate is high.", {"lowers"}),
        ("The death rate is low.", {"lowers"}),
        ("The gene is negatively associated with survival.", {"raises"}),
        ("The gene is negatively associated with relapse.", {"lowers"}),
        ("The gene is positively correlated with overall survival.", {"lowers"}),
        ("Relapses fell (HR 0.93, 95% CI 0.71-1.21).", {"lowers", "none"}),
        ("Drains were removed after 29 and 30 days (P = 0.6).", {"none"}),
        ("Drains were removed after 29 and 30 days (P = 0.01).", set()),
        ("Deaths were 194 and 165 (HR 1·24, 95% CI 1·01–1·53; p = 0·041).", set()),
        ("The evidence on diet is conflicting.", {"conflicting"}),
        ("Talk to your doctor about the following steps.", set()),
        ("Follow-up took five years.", set()),
        ("Scars are followed by two visits.", set()),
    ],
)
def test_directions_of_sentences(text, found):
    assert directions(text) == found
