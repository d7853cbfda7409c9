"""Sharing a batch over devices, in one process or in two, changes neither value nor gradient."""

import functools
import os
import socket
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

from prima_jax.training.parallel import AXIS
from tests.losses.inputs import tokens
from tests.losses.sharing import SCALE, assert_equal, of_share, of_whole

ROOT = Path(__file__).parents[2]
SECONDS = 240  # two processes compile two programs each; hung is what takes longer


@pytest.mark.parametrize("devices", [1, 2, 4, 8])
@pytest.mark.parametrize("anchors", ["printed", "both"])
@pytest.mark.parametrize("kind", ["pmap", "shard_map"])
def test_sharing_the_batch_changes_neither_value_nor_gradient(devices, kind, anchors):
    arrays = tokens()
    chosen = jax.devices()[:devices]
    share = functools.partial(of_share, anchors=anchors)
    if kind == "pmap":
        stacked = [a.reshape(devices, len(a) // devices, *a.shape[1:]) for a in arrays]
        found = jax.pmap(share, AXIS, in_axes=(None, 0), out_axes=None, devices=chosen)(SCALE, stacked)
    else:
        spec = jax.sharding.PartitionSpec
        mesh = jax.make_mesh((devices,), (AXIS,), devices=chosen, axis_types=(jax.sharding.AxisType.Auto,))
        mapped = jax.shard_map(share, mesh=mesh, in_specs=(spec(), spec(AXIS)), out_specs=spec(), check_vma=False)
        found = jax.jit(mapped)(SCALE, arrays)
    assert_equal(found, of_whole(SCALE, arrays, anchors))


@pytest.mark.slow
@pytest.mark.parametrize("devices", [1, 2], ids=["one device each", "two devices each"])
def test_two_processes_with_half_of_the_batch_each(devices, tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {
        **os.environ,
        "JAX_PLATFORMS": "cpu",
        "XLA_FLAGS": f"--xla_force_host_platform_device_count={devices}",
        "PYTHONPATH": str(ROOT),
    }
    command = [sys.executable, "-m", "tests.losses.one_of_two", str(port)]
    files = [tmp_path / f"{rank}.npz" for rank in (0, 1)]
    logs = [(tmp_path / f"{rank}.log").open("w+") for rank in (0, 1)]
    processes = [
        subprocess.Popen([*command, str(r), str(f)], cwd=ROOT, env=environment, stdout=log, stderr=subprocess.STDOUT)
        for r, (f, log) in enumerate(zip(files, logs, strict=True))
    ]
    try:
        codes = [process.wait(SECONDS) for process in processes]
    finally:
        for process, log in zip(processes, logs, strict=True):
            process.kill()
            process.wait()
            log.close()
    assert codes == [0, 0], "\n".join(Path(log.name).read_text()[-3000:] for log in logs)
    expected = of_whole(SCALE, tokens())
    for file in files:
        found = np.load(file)
        assert sorted({name.split(".")[0] for name in found}) == ["pmap", "shard_map"]
        for kind in ("pmap", "shard_map"):
            assert_equal((found[f"{kind}.value"], found[f"{kind}.gradient"]), expected)
