from itertools import islice

import numpy as np
import pytest

from prima_jax.data import loader
from prima_jax.data.images import Augmentation, center_view, random_view
from prima_jax.data.text import Tokens
from prima_jax.errors import UserError
from tests.data.cohort import UNITS, prepared_cohort

SIZE = 16
AUGMENTATION = Augmentation()
# The photographs are 24 x 32, so this cuts nothing off and changes nothing.
STILL = Augmentation(scale=(1, 1), ratio=(4 / 3, 4 / 3), horizontal_flip=False, brightness=0, contrast=0, saturation=0)
TOKENS = Tokens(
    ids=np.arange(10, 10 + 12 * 20, dtype=np.int32).reshape(12, 20),
    mask=np.arange(20)[None] < np.arange(8, 20)[:, None],
    words=(np.arange(20)[None] < np.arange(8, 20)[:, None] - 1) & (np.arange(20)[None] > 0),
    truncated=0,
)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    return prepared_cohort(tmp_path_factory.mktemp("loader"))


@pytest.fixture
def sources(prepared):
    """Each endless source as a function of what all share."""
    images = {"image_size": SIZE, "augmentation": AUGMENTATION}
    masked = {"mask_token_id": 1, "vocabulary_size": 300, "probability": 0.3, "special_ids": (1, 2, 3)}
    return {
        "pair": lambda **options: loader.pair_batches(prepared, UNITS, **images, **options),
        "image": lambda **options: loader.image_batches(prepared, range(6), **images, **options),
        "masked": lambda **options: loader.masked_token_batches(TOKENS, **masked, **options),
        "index": lambda **options: loader.index_batches(7, **options),
    }


ALL = pytest.mark.parametrize("kind", ["pair", "image", "masked", "index"])


def equal(one, other):
    return one.keys() == other.keys() and all(np.array_equal(one[key], other[key]) for key in one)


def first(batches, count):
    """So many of an endless source: of one that ends too soon there would be nothing to compare."""
    found = list(islice(batches, count))
    assert len(found) == count
    return found


def all_equal(ones, others):
    return all(equal(one, other) for one, other in zip(ones, others, strict=True))


@ALL
def test_the_seed_alone_decides(sources, kind):
    one, same, other = (first(sources[kind](batch_size=2, seed=seed), 9) for seed in (5, 5, 6))
    assert all_equal(one, same)
    assert not all_equal(one, other)


@ALL
@pytest.mark.parametrize("threads", [0, 32])
def test_the_number_of_threads_does_not_matter(sources, kind, threads, monkeypatch):
    several = first(sources[kind](batch_size=2, seed=5), 9)
    monkeypatch.setattr(loader, "THREADS", threads)
    monkeypatch.setattr(loader, "BATCHES_AHEAD", max(4, threads))
    assert all_equal(several, first(sources[kind](batch_size=2, seed=5), 9))


@ALL
@pytest.mark.parametrize("stop", [0, 1, 4, 7])
def test_a_restored_iterator_goes_on_where_it_was(sources, kind, stop):
    whole = first(sources[kind](batch_size=2, seed=5), 12)
    interrupted = sources[kind](batch_size=2, seed=5)
    for _ in range(stop):
        next(interrupted)
    state = interrupted.get_state()
    next(interrupted)  # what was read after the checkpoint is lost
    resumed = sources[kind](batch_size=2, seed=5)
    resumed.set_state(state)
    assert all_equal(whole[stop:], first(resumed, 12 - stop))


@ALL
def test_processes_share_each_batch_between_them(sources, kind):
    whole = first(sources[kind](batch_size=4, seed=5), 6)
    for p in (0, 1):
        part = first(sources[kind](batch_size=4, seed=5, process_index=p, process_count=2), 6)
        assert all_equal([{key: np.split(value, 2)[p] for key, value in batch.items()} for batch in whole], part)


@ALL
def test_too_few_examples_and_uneven_shares_are_refused(sources, kind):
    with pytest.raises(UserError, match=r"A batch of 99 cannot be drawn from .* set batch_size lower"):
        sources[kind](batch_size=99, seed=0)
    with pytest.raises(UserError, match="batch_size 4 cannot be shared by 3 processes"):
        sources[kind](batch_size=4, seed=0, process_count=3)


def test_an_epoch_shows_everything_once_in_a_new_order():
    batches = loader.index_batches(12, batch_size=4, seed=1)
    epochs = [np.concatenate([next(batches)["index"] for _ in range(3)]) for _ in range(4)]
    assert all(sorted(epoch) == list(range(12)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 4


def test_what_is_left_over_is_dropped_and_differs_by_epoch():
    batches = loader.index_batches(7, batch_size=3, seed=1)
    epochs = [np.concatenate([next(batches)["index"] for _ in range(2)]) for _ in range(20)]
    assert all(len(set(epoch)) == 6 for epoch in epochs)
    # 20 epochs leave out one of 7 each; that fewer than 3 differ would be a defect, not chance.
    assert len({(set(range(7)) - set(epoch)).pop() for epoch in epochs}) >= 3


def test_neighbouring_seeds_do_not_share_epochs():
    epochs = []
    for seed in (1, 2):
        batches = loader.index_batches(12, batch_size=12, seed=seed)
        epochs += [tuple(next(batches)["index"]) for _ in range(3)]
    assert len(set(epochs)) == 6


def test_pairs_hold_no_unit_twice_and_have_the_shapes_promised(prepared):
    batches = loader.pair_batches(prepared, UNITS, image_size=SIZE, augmentation=AUGMENTATION, batch_size=4, seed=0)
    for batch in islice(batches, 10):
        assert batch["views"].shape == (4, 2, SIZE, SIZE, 3) and batch["views"].dtype == np.uint8
        assert batch["unit"].dtype == np.int32 and len(set(batch["unit"])) == 4


def test_views_are_two_distinct_scans_or_the_only_one_twice(prepared):
    whole = [center_view(prepared.image(position), SIZE).tobytes() for position in range(6)]
    batches = loader.pair_batches(prepared, UNITS, image_size=SIZE, augmentation=STILL, batch_size=5, seed=0)
    orders = set()
    for batch in islice(batches, 20):
        for unit, views in zip(batch["unit"], batch["views"], strict=True):
            scans = tuple(whole.index(view.tobytes()) for view in views)
            if len(UNITS[unit]) == 1:
                assert scans == (UNITS[unit][0],) * 2
            else:
                assert sorted(scans) == sorted(UNITS[unit])
                orders.add(scans)
    assert orders == {(0, 1), (1, 0)}  # either scan may be view 1, the only anchor of Eq. 2


def test_each_view_has_an_augmentation_of_its_own_and_each_epoch_another(prepared):
    batches = loader.pair_batches(prepared, UNITS[1:], image_size=SIZE, augmentation=AUGMENTATION, batch_size=4, seed=0)
    seen = [view.tobytes() for batch in islice(batches, 3) for views in batch["views"] for view in views]
    assert len(set(seen)) == len(seen)


def test_image_batches_name_the_records_they_show(prepared):
    chosen = [5, 1, 3]
    batches = loader.image_batches(prepared, chosen, image_size=SIZE, augmentation=STILL, batch_size=3, seed=0)
    for batch in islice(batches, 4):
        assert sorted(batch["index"]) == sorted(chosen)
        for index, image in zip(batch["index"], batch["image"], strict=True):
            assert np.array_equal(image, center_view(prepared.image(int(index)), SIZE))


def test_evaluation_is_finite_ordered_and_padded(prepared):
    chosen = [4, 0, 2, 1, 5]
    batches = list(loader.eval_images(prepared, chosen, image_size=SIZE, batch_size=2))
    assert [list(batch["index"]) for batch in batches] == [[4, 0], [2, 1], [5, -1]]
    assert np.array_equal(batches[1]["image"][0], center_view(prepared.image(2), SIZE))
    assert not batches[2]["image"][1].any()
    assert list(loader.eval_images(prepared, [], image_size=SIZE, batch_size=2)) == []


def test_augmented_evaluation_depends_on_seed_and_record_but_not_on_place(prepared):
    def views(chosen, seed):
        options = {"image_size": SIZE, "batch_size": 2, "augmentation": AUGMENTATION, "seed": seed}
        batches = list(loader.eval_images(prepared, chosen, **options))
        return {int(i): image for b in batches for i, image in zip(b["index"], b["image"], strict=True)}

    one, same, other = views([0, 1, 2, 3], 1), views([3, 1], 1), views([0, 1, 2, 3], 2)
    assert np.array_equal(one[3], same[3]) and np.array_equal(one[1], same[1])
    assert not np.array_equal(one[3], other[3])
    expected = random_view(prepared.image(3), SIZE, np.random.default_rng([1, 3]), AUGMENTATION)
    assert np.array_equal(one[3], expected)


MASKING = {
    "batch_size": 12,
    "seed": 0,
    "mask_token_id": 1,
    "vocabulary_size": 300,
    "probability": 0.3,
    "special_ids": (1, 2, 3),
}


def masked(count, **changes):
    return list(islice(loader.masked_token_batches(TOKENS, **{**MASKING, **changes}), count))


def test_masking_keeps_bert_shares():
    batches = masked(300)
    chosen = np.concatenate([b["loss_mask"] for b in batches])
    inputs, labels = (np.concatenate([b[key] for b in batches]) for key in ("input_ids", "labels"))
    words = TOKENS.words.sum() * 300
    # 45,000 words, 13,500 of them chosen: standard errors of 0.002 and 0.0035, so these are 5 of them. The word that
    # each text is sure to lose adds 0.7^6 / 6 at most, 0.02, to the shortest texts.
    assert abs(chosen.sum() / words - 0.3) < 0.02
    became = inputs[chosen]
    assert abs((became == 1).mean() - 0.8) < 0.018
    assert abs((became == labels[chosen]).mean() - 0.1) < 0.014
    assert np.array_equal(inputs[~chosen], labels[~chosen])
    assert not np.isin(became[became != 1], (2, 3)).any()


def test_only_words_are_masked_and_at_least_one_per_text():
    (batch,) = masked(1, probability=0.0)
    assert (batch["loss_mask"].sum(axis=1) == 1).all()
    assert batch["input_ids"].dtype == batch["labels"].dtype == np.int32
    for batch in masked(5, probability=1.0):
        rows = batch["labels"][:, 0] // 20  # the ids count up, 20 a row from 10
        assert np.array_equal(batch["loss_mask"], TOKENS.words[rows])
        assert np.array_equal(batch["attention_mask"], TOKENS.mask[rows])


def test_a_text_without_words_is_left_alone():
    empty = Tokens(TOKENS.ids, TOKENS.mask, np.zeros_like(TOKENS.words), 0)
    batch = next(loader.masked_token_batches(empty, **MASKING))
    assert not batch["loss_mask"].any() and np.array_equal(batch["input_ids"], batch["labels"])


def test_draws_are_uint32_and_differ_by_record_and_epoch():
    batches = list(islice(loader.index_batches(7, batch_size=7, seed=0), 3))
    draws = np.concatenate([batch["draw"] for batch in batches])
    assert draws.dtype == np.uint32 and len(set(draws)) == 21
    assert batches[0]["index"].dtype == np.int32


def test_index_batches_hand_over_what_read_makes_of_them():
    table = np.arange(7) * 10
    batches = loader.index_batches(7, batch_size=3, seed=0, read=lambda batch: {"row": table[batch["index"]]})
    plain = loader.index_batches(7, batch_size=3, seed=0)
    for made, batch in zip(first(batches, 5), first(plain, 5), strict=True):
        assert np.array_equal(made["row"], batch["index"] * 10)


def test_a_broken_photograph_is_named_by_the_batch_that_meets_it(prepared):
    class Broken:
        records = prepared.records

        def image(self, position):
            if position == 3:
                raise UserError("The photograph p3.png cannot be decoded")
            return prepared.image(position)

    batches = loader.eval_images(Broken(), range(6), image_size=SIZE, batch_size=2)
    next(batches)
    with pytest.raises(UserError, match=r"p3\.png cannot be decoded"):
        next(batches)
