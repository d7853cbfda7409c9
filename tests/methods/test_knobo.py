"""KnoBo: concepts that photographs can answer, a prior from the corpus, and a classifier that can be read and corrected."""

import json
import math
from types import SimpleNamespace

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from prima_jax.data.corpus_file import Claim
from prima_jax.data.metadata import OneHot
from prima_jax.errors import UserError
from prima_jax.experiment.opening import split_cases
from prima_jax.methods import concepts, knobo
from prima_jax.stages.refine import ClassWeights
from prima_jax.studies.study import Attribute, Study
from prima_jax.training.loop import make_step
from prima_jax.training.parallel import Parallel
from prima_jax.training.state import create
from tests.methods.benches import make_bench, training_accuracy
from tests.stages import tiny
from tests.stages.tiny import ONE_LAYER

STUDY = Study(
    name="s",
    title="S",
    classes={"a": "first disease", "b": "second disease"},
    label_column="label",
    image_column="image",
    subject_columns=("subject",),
    unit_columns=("subject",),
    attributes=(
        Attribute("itch", "itch", "yes_no", "It itches.", "It does not itch."),
        Attribute("kept", "kept", "yes_no", "", "It was not kept."),
        Attribute("site", "site", "category", "On the {value}."),
        Attribute("age", "age", "number", "{band} years.", bins=(40.0,)),
    ),
)
NAMES = ("itch=yes", "kept=no", "site=back", "site=man's back", "age=bin1")


def batch(count=8, seed=0):
    r = np.random.default_rng(seed)
    return {"concepts": r.random((count, 5)).astype(np.float32), "label": r.integers(2, size=count).astype(np.int32)}


def classifier(seed=1):
    r = np.random.default_rng(seed)
    return {"weights": r.normal(size=(5, 2)).astype(np.float32), "bias": r.normal(size=2).astype(np.float32)}


FROZEN = {
    "prior": np.array([[1, -1], [0, 1], [0, 0], [-1, 0], [1, 1]], np.float32),
    "prior_weight": np.float32(1.0),
    "class_weights": ClassWeights(np.array([0.5, 2.0], np.float32)),
}


def loss_loops(trainable, frozen, batch, prior_weight):
    w, b = (np.asarray(trainable[name], float) for name in ("weights", "bias"))
    error = 0.0
    for s, label in zip(batch["concepts"].astype(float), batch["label"], strict=True):
        logits = [sum(s[k] * w[k, c] for k in range(5)) + b[c] for c in range(2)]
        error += frozen["class_weights"].weights[label] * (math.log(sum(map(math.exp, logits))) - logits[label])
    distance = sum(abs(math.tanh(w[k, c]) - frozen["prior"][k, c]) for k in range(5) for c in range(2))
    return error / len(batch["label"]) + prior_weight * distance / 10


class Loss(chex.TestCase):
    @chex.variants(with_jit=True, without_jit=True)
    def test_the_loss_equals_its_loops(self):
        for weight in (0.0, 1.0, 2.5):
            frozen = {**FROZEN, "prior_weight": np.float32(weight)}
            found, _ = self.variant(knobo.bottleneck_loss)(classifier(), frozen, batch())
            np.testing.assert_allclose(found, loss_loops(classifier(), FROZEN, batch(), weight), rtol=1e-6)


def test_closed_forms_of_the_prior():
    assert knobo.prior_loss(jnp.zeros((5, 2)), FROZEN["prior"]) == pytest.approx(6 / 10)  # six of ten signs are not 0
    assert knobo.prior_loss(40.0 * FROZEN["prior"], FROZEN["prior"]) == 0


@pytest.mark.parametrize("kind", ["pmap", "shard_map"])
def test_two_devices_give_the_loss_of_one(kind):
    found = []
    for devices in (1, 2, 4):
        parallel = Parallel(kind, jax.devices()[:devices])
        optimizer = optax.sgd(0.0)
        step = parallel.map_step(make_step(knobo.bottleneck_loss, optimizer))
        state = parallel.replicate(create(classifier(), optimizer))
        found.append(float(step(state, parallel.replicate(FROZEN), parallel.share(batch()))[1]["loss"]))
    np.testing.assert_allclose(found, loss_loops(classifier(), FROZEN, batch(), 1.0), rtol=1e-6)


def test_the_prior_pulls_weights_to_its_signs_and_leaves_the_others_at_zero():
    nothing = {"concepts": np.zeros((8, 5), np.float32), "label": batch()["label"]}  # of which cross-entropy learns nothing
    trained = {"weights": jnp.zeros((5, 2)), "bias": jnp.zeros(2)}
    optimizer = optax.adam(0.05)
    state = optimizer.init(trained)
    gradient = jax.jit(jax.grad(lambda t: knobo.bottleneck_loss(t, FROZEN, nothing)[0]))
    for _ in range(200):
        updates, state = optimizer.update(gradient(trained), state)
        trained = optax.apply_updates(trained, updates)
    signs = np.sign(np.where(np.abs(trained["weights"]) < 0.1, 0, trained["weights"]))
    np.testing.assert_array_equal(signs, FROZEN["prior"])


def claim(attribute, direction, text="It matters.", disease="First disease"):
    return Claim(disease, attribute, direction, text)


def test_the_prior_is_what_the_claims_say():
    claims = [
        claim("itch", "raises"),
        claim("itch", "raises"),
        claim("itch", "lowers"),  # outvoted
        claim("kept", "raises"),  # the concept is the contrary
        claim("site", "raises", "The back is a place for it, the background is not."),
        claim("site", "lowers", "Background and backs are other words.", "second disease"),
        claim("age", "raises", "Age is a risk factor."),  # of which band?
        claim("itch", "none", disease="second disease"),
        claim("itch", "raises", disease="third disease"),
    ]
    found = concepts.prior(NAMES, STUDY, claims)
    np.testing.assert_array_equal(found, [[1, 0], [-1, 0], [1, 0], [0, 0], [0, 0]])
    np.testing.assert_array_equal(concepts.prior(NAMES, STUDY, []), np.zeros((5, 2)))


def grounding(answers_seen: bool, seed=0, count=400, keep=2):
    """Three concepts; features hold the answer of the first, of the second with much noise, of the third not at all."""
    r = np.random.default_rng(seed)
    answers = r.integers(2, size=(count, 3))
    features = np.concatenate([r.normal(size=(count, 4)), np.ones((count, 1))], axis=1)
    features[:, 0] += 6.0 * answers[:, 0]
    features[:, 1] += 1.0 * answers[:, 1]
    known = np.where(r.random(answers.shape) < 0.2, -1, answers)
    statements = SimpleNamespace(sentences=("one", "two", "three"), names=("a=yes", "b=yes", "c=yes"))
    subjects = np.array([f"s{i // 2}" for i in range(count)])
    half = count // 2
    fitted = known[:half] if answers_seen else r.permutation(known[:half])
    found = concepts.ground(statements, features[:half], fitted, subjects[:half], keep=keep, seed=1)
    return found, features[half:], answers[half:]


def test_the_concepts_that_a_photograph_shows_are_kept_and_found_on_records_never_seen():
    found, features, answers = grounding(answers_seen=True)
    assert found.sentences == ("one", "two") and found.accuracy[0] > 0.95
    right = (found.probabilities(features) > 0.5) == answers[:, :2]
    # Chance is one half with a standard error of 0.035 over 200 records.
    assert right[:, 0].mean() > 0.95 and right[:, 1].mean() > 0.6


def test_shuffled_answers_leave_nothing_to_find():
    found, features, answers = grounding(answers_seen=False, keep=3)
    order = ["one", "two", "three"]
    for column, sentence in enumerate(found.sentences):
        right = (found.probabilities(features)[:, column] > 0.5) == answers[:, order.index(sentence)]
        assert abs(right.mean() - 0.5) < 0.2  # the answers are independent of the features: 0.035 for each record's own


def test_concepts_without_answers_are_an_error_that_says_what_to_do():
    statements = SimpleNamespace(sentences=("one",), names=("a=yes",))
    with pytest.raises(UserError, match="leave the row knobo out"):
        concepts.ground(statements, np.ones((40, 2)), np.full((40, 1), -1), np.arange(40), keep=1, seed=0)


def bench_that_shows_all(study, folder, monkeypatch, **settings):
    """A bench whose image encoder says of each photograph what its record's answers are."""
    own = {f"baselines__knobo__{name}": value for name, value in settings.items()}
    bench, train, test = make_bench(study, folder, diagnose__case="record", **ONE_LAYER, **own)
    prepared = bench.context.prepared
    columns = OneHot.fit(prepared.study, prepared.records).encode(prepared.records)
    monkeypatch.setattr(knobo, "image_tokens", lambda bench: columns[:, None, None])
    return bench, train, test


def test_it_learns_its_records_by_heart_where_photographs_show_the_answers(study, tmp_path, monkeypatch):
    settings = {"epochs": 300.0, "learning_rate": 0.3, "prior_weight": 0.0}  # the prior holds back
    bench, train, _ = bench_that_shows_all(study, tmp_path, monkeypatch, **settings)
    assert len(train) >= 32
    assert training_accuracy(bench, knobo.METHOD, train) == 1.0


def test_without_claims_nothing_pulls_the_weights_to_zero(study, tmp_path, monkeypatch):
    """An empty prior would: |tanh(W) - 0| is least at W = 0."""
    weights = []
    for name, claims in (("none", ()), ("empty", ("about something else",))):
        bench, train, _ = bench_that_shows_all(study, tmp_path / name, monkeypatch)
        shape = (len(knobo.grounded(bench, train).names), 2)
        monkeypatch.setattr(knobo, "prior", lambda *_, shape=shape, claims=claims: np.full(shape, 0.0 if not claims else 1e-9))
        weights.append(np.abs(knobo.METHOD.fit(bench, train).classifier["weights"]).mean())
    assert weights[0] > 1.2 * weights[1]


def test_each_fold_has_a_prior_of_its_own_though_their_step_is_compiled_once(study, tmp_path, monkeypatch):
    """In one process as if each fold had had a process to itself: a run that was stopped between them gives the same."""
    found = {}
    for name, indices in (("together", (0, 1)), ("alone", (1,))):
        bench, *_ = bench_that_shows_all(study, tmp_path / name, monkeypatch)
        for index in indices:
            fold = study.fold(bench.context, index)
            table = np.full((200, 2), index)  # the claims bear on concepts of the second fold alone
            monkeypatch.setattr(knobo, "prior", lambda names, *_, table=table: table[: len(names)])
            train, _ = split_cases(bench.context, fold)
            found[name] = knobo.METHOD.fit(bench._replace(fold=fold), train).classifier["weights"]
    np.testing.assert_array_equal(found["together"], found["alone"])
    assert found["alone"].mean() > 0.01  # where the prior pulls them


def test_the_classifier_trains_on_every_stored_view(study, tmp_path, monkeypatch):
    bench, train, _ = bench_that_shows_all(study, tmp_path, monkeypatch, epochs=10.0)
    whole = knobo.image_tokens(bench)
    both = np.concatenate([whole, 1 - whole], axis=1)  # a second view that shows the contrary
    monkeypatch.setattr(knobo, "image_tokens", lambda bench: both)
    batches, index_batches = [], knobo.index_batches

    def seen(stage, count, read):
        def recorded(batch):
            made = read(batch)
            batches.append((batch["index"], made["concepts"]))
            return made

        return index_batches(stage, count, recorded)

    monkeypatch.setattr(knobo, "index_batches", seen)
    concepts = knobo.METHOD.fit(bench, train).concepts
    index, rows = (np.concatenate(parts) for parts in zip(*batches, strict=True))
    of_view = [knobo.concept_scores(bench, concepts, train, view).astype(np.float32)[index] for view in (0, 1)]
    first, second = ((rows == expected).all(axis=1) for expected in of_view)
    assert (first ^ second).all()  # neither a mean of the two nor a mixture
    assert set(index[first]) == set(index[second]) == set(range(len(train)))


def test_a_diagnosis_can_be_read_and_corrected(study, tmp_path, monkeypatch):
    bench, train, test = bench_that_shows_all(study, tmp_path, monkeypatch)
    state = knobo.METHOD.fit(bench, train)
    assert np.abs(state.prior).sum() > 0  # the synthetic study's corpus speaks of its attributes
    losses = tiny.losses(bench.context.place("knobo", bench.fold.index))
    assert losses[-1] < losses[0]

    written = json.loads((bench.context.place("knobo", bench.fold.index) / "concepts.json").read_text())
    assert [one["concept"] for one in written] == list(state.concepts.sentences)
    accuracy = [one["held_out_accuracy"] for one in written]
    np.testing.assert_allclose(accuracy, state.concepts.accuracy, atol=1e-4)
    assert accuracy == sorted(accuracy, reverse=True)
    name = bench.context.prepared.study.class_names[1]
    np.testing.assert_allclose([one["weights"][name] for one in written], state.classifier["weights"][:, 1], atol=1e-4)
    assert [one["prior"][name] for one in written] == state.prior[:, 1].tolist()

    told = knobo.explain(bench, state, test[0])
    assert len(told.concepts) == len(told.probabilities) == len(told.weights) == len(state.concepts.names)
    expected = knobo.METHOD.predict(bench, state, test)[0]
    logits = told.probabilities @ told.weights + told.bias
    np.testing.assert_allclose(np.exp(logits) / np.exp(logits).sum(), expected, atol=1e-6)

    # A concept that becomes true moves the diagnosis to the class that its weights speak for, whichever concept it is.
    lean = told.weights[:, 1] - told.weights[:, 0]
    for concept in np.flatnonzero(np.abs(lean) > 0.01):
        scores = np.stack([np.where(np.arange(len(lean)) == concept, answer, told.probabilities) for answer in (0.0, 1.0)])
        no, yes = knobo.diagnose(state.classifier, scores)[:, 1]
        assert np.sign(yes - no) == np.sign(lean[concept])
