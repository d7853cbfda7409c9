"""A large checkpoint is read tensor by tensor: the file is never in memory beside the model that is made of it.

Measured: 1.09 times the size of the file, what the kernel maps of it included.
"""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from flax.traverse_util import unflatten_dict

from prima_jax.models import pretrained

ALLOWED = 1.3
SIZES = {
    "hidden_size": 1024,
    "num_attention_heads": 16,
    "num_key_value_heads": 8,
    "head_dim": 64,
    "num_hidden_layers": 8,
    "intermediate_size": 3072,
    "vocab_size": 100_000,
    "tie_word_embeddings": True,
}
"""More than half of it is the table of embeddings, as in Qwen3-0.6B."""

READ = """
import sys, threading, time
import jax, jax.numpy as jnp
from prima_jax.models import pretrained

def resident():
    return next(int(line.split()[1]) * 1024 for line in open("/proc/self/status") if line.startswith("VmRSS"))

def watch():
    while not done.is_set():
        seen.append(resident())
        time.sleep(0.002)

jnp.zeros(1).block_until_ready()  # JAX itself takes memory when it starts
done, seen, before = threading.Event(), [], resident()
thread = threading.Thread(target=watch)
thread.start()
jax.block_until_ready(pretrained.from_pretrained(sys.argv[1])[1])
done.set()
thread.join()
print(max(seen) - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="asks the Linux kernel how much memory is used")
def test_reading_takes_little_more_than_the_file(tmp_path):
    module = pretrained.build({"model_type": "qwen3", **SIZES})
    rng = np.random.default_rng(0)
    parameters = {path: rng.random(shape, np.float32) for path, shape in pretrained.parameter_shapes(module).items()}
    pretrained.save_pretrained(tmp_path, module, {"params": unflatten_dict(parameters)})
    size = (tmp_path / "model.safetensors").stat().st_size
    command = [sys.executable, "-c", READ, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=dict(os.environ), timeout=300)
    peak = int(done.stdout)
    print(f"{peak / size:.2f} times the {size / 2**30:.2f} GiB of the file")
    assert peak < ALLOWED * size
