"""The features of a finished row are deleted once nobody waits for them."""

from dataclasses import replace

from configs.aqua import get_config
from prima_jax.experiment.job import Job, drop_features
from prima_jax.experiment.rows import TABLES, row_config
from prima_jax.stages.stage import write_done
from prima_jax.workdir import config_hash
from tests.stages.tiny import ONE_LAYER


def row(name):
    return next(row for row in (*TABLES[3], *TABLES[2]) if row.name == name)


def test_they_go_with_the_last_row_that_reads_them(study, tmp_path):
    config = get_config("table3,demo")

    def finish(name):
        """The files that are left once this row has finished the first fold."""
        job = Job(row(name), 0)
        changed = row_config(config, job.row, 0)
        context = replace(study.context(tmp_path, **ONE_LAYER), config=changed)
        fold = study.fold(context)
        features = context.place("features", fold.index)
        features.mkdir(parents=True, exist_ok=True)
        (features / "image_tokens-0.npy").touch()
        folder = job.folder(tmp_path, fold.index)
        folder.mkdir(parents=True)
        write_done(folder, whose=[config_hash(config), name, 0, fold.index])
        drop_features(config, tmp_path, job, context, fold)
        return len(list(features.glob("*.npy")))

    assert finish("labels_alone") == 1  # knowledge_alone, whose encoder has seen no text either, has the same
    assert finish("knowledge_alone") == 0
    assert finish("metablock") == 1  # those of PRIMA, which is still to come
    assert finish("prima") == 0
