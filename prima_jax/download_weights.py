"""Fetches published checkpoints into weights/: those of the full recipes, and smaller ones.

    prima weights --dry-run          # what the recipes need, and how large it is
    prima weights                    # fetch it
    prima weights Qwen3-0.6B@REVISION --folder=weights

A call that was stopped goes on where it was. What was fetched is noted in each folder's source.json, by commit. DINOv3
from facebook is gated: its licence has to be accepted once, and a token given in the environment as HF_TOKEN.
"""

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

from prima_jax.errors import UserError
from prima_jax.runtime import end_when_told

__all__ = ["CHECKPOINTS", "RECIPE", "download", "main"]

CHECKPOINTS = {
    "dinov3-vits16-pretrain-lvd1689m": "facebook/dinov3-vits16-pretrain-lvd1689m",
    "dinov3-vitb16-pretrain-lvd1689m": "facebook/dinov3-vitb16-pretrain-lvd1689m",
    "dinov3-vitl16-pretrain-lvd1689m": "facebook/dinov3-vitl16-pretrain-lvd1689m",
    "vit_small_patch16_dinov3.lvd1689m": "timm/vit_small_patch16_dinov3.lvd1689m",
    "vit_base_patch16_dinov3.lvd1689m": "timm/vit_base_patch16_dinov3.lvd1689m",
    "dinov2-small": "facebook/dinov2-small",
    "dinov2-base": "facebook/dinov2-base",
    "Clinical_ModernBERT": "Simonlee711/Clinical_ModernBERT",
    "all-MiniLM-L6-v2": "sentence-transformers/all-MiniLM-L6-v2",
    "SmolLM2-135M-Instruct": "HuggingFaceTB/SmolLM2-135M-Instruct",
    "Qwen3-0.6B": "Qwen/Qwen3-0.6B",
    "Qwen3-1.7B": "Qwen/Qwen3-1.7B",
    "Qwen3-4B": "Qwen/Qwen3-4B",
    "Qwen3-8B": "Qwen/Qwen3-8B",
}
"""Folder under weights/ -> repository on https://huggingface.co; the folder is the last part of the repository's name."""
RECIPE = ("dinov3-vitb16-pretrain-lvd1689m", "Clinical_ModernBERT", "Qwen3-1.7B")
"""What configs/common.py asks for."""
FILES = ("config.json", "*.safetensors", "*.safetensors.index.json", "tokenizer*.json", "special_tokens_map.json")
FILES_BESIDE = ("vocab.*", "merges.txt", "preprocessor_config.json", "LICENSE*", "README.md")
"""Not read here, but part of what was published; the licence above all."""


def main(arguments: list[str]) -> int:
    """Returns the exit code: 0, or 2 with one sentence for each checkpoint that could not be fetched."""
    end_when_told()
    parser = argparse.ArgumentParser(
        prog="prima weights",
        description=__doc__.splitlines()[0],
        epilog=f"For example: prima weights dinov2-small --folder=weights. Known: {', '.join(CHECKPOINTS)}.",
    )
    parser.add_argument("names", nargs="*", metavar="NAME[@REVISION]", help=f"default: {' '.join(RECIPE)}")
    parser.add_argument("--folder", type=Path, default=Path("weights"), help="default: weights")
    parser.add_argument("--dry-run", action="store_true", help="list files and sizes, and fetch nothing")
    options = parser.parse_args(arguments)
    failures = 0
    for name in options.names or RECIPE:
        try:
            download(name, options.folder, dry_run=options.dry_run)
        except UserError as error:
            print(f"error: {error}", file=sys.stderr)
            failures += 1
    return 2 if failures else 0


def download(name: str, folder: Path, *, dry_run: bool = False) -> None:
    """Fetches `name` or `name@revision` into folder/name, or prints what that would be. Raises UserError."""
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.errors import (
        DryRunError,
        EntryNotFoundError,
        GatedRepoError,
        HTTPError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    name, _, revision = name.partition("@")
    if name not in CHECKPOINTS:
        raise UserError(f"{name!r} is not one of the known checkpoints: {', '.join(CHECKPOINTS)}.")
    repository, target = CHECKPOINTS[name], folder / name
    page = f"https://huggingface.co/{repository}"
    options: dict[str, Any] = {"local_dir": target, "allow_patterns": [*FILES, *FILES_BESIDE]}
    files = None
    try:
        HfApi().auth_check(repository)
        files = snapshot_download(repository, revision=revision or None, **options, dry_run=True)
        if not any(file.filename.endswith(".safetensors") for file in files):
            raise UserError(f"{repository} holds no *.safetensors, so that there are no weights to read: see {page}/tree/main.")
        commit = files[0].commit_hash
        if not dry_run:
            snapshot_download(repository, revision=commit, **options)
            _note(target, repository, commit)
    except GatedRepoError as error:
        raise UserError(_gated(repository, page)) from error
    except RevisionNotFoundError as error:
        raise UserError(f"{repository} has no revision {revision!r}: see {page}/commits/main.") from error
    except RepositoryNotFoundError as error:
        raise UserError(f"{repository} was not found, or is not open to this token: see {page}.") from error
    except OfflineModeIsEnabled as error:
        raise UserError(f"{repository} could not be fetched: HF_HUB_OFFLINE is set in the environment; unset it.") from error
    except (ImportError, ValueError) as error:  # told by the client before it asks, and with what the variables hold
        raise UserError(
            f"{repository} could not be asked for ({type(error).__name__}): see what ALL_PROXY, HTTPS_PROXY, NO_PROXY and "
            "HF_TOKEN hold; a proxy is http://host:port, a token plain ASCII."
        ) from error
    except (HTTPError, DryRunError, EntryNotFoundError) as error:
        raise UserError(f"{repository} could not be fetched ({_first_line(error)}); the same command goes on.") from error
    except OSError as error:
        what = f"{target} could not be written" if files else f"{repository} could not be asked for"
        raise UserError(f"{what} ({_first_line(error)}); the same command goes on.") from error
    _tell(repository, files, target, dry_run)


def _gated(repository: str, page: str) -> str:
    if "HF_TOKEN" not in os.environ:
        step = "make a token at https://huggingface.co/settings/tokens and give it in the environment: export HF_TOKEN=hf_..."
    else:
        step = "the token in HF_TOKEN is not of an account that has done so, or may not read gated repositories"
    return f"{repository} is gated: accept its licence at {page}, then {step}"


def _note(target: Path, repository: str, commit: str) -> None:
    (target / "source.json").write_text(json.dumps({"repository": repository, "commit": commit}, indent=1) + "\n")


def _tell(repository: str, files: list, target: Path, dry_run: bool) -> None:
    """Prints the files with their sizes, and where they are."""
    for file in files:
        there = "" if file.will_download else "  (there already)"
        print(f"{file.file_size / 2**20:10.1f} MiB  {file.filename}{there}")
    total, left = (sum(f.file_size for f in part) / 2**30 for part in (files, [f for f in files if f.will_download]))
    verb = f"{left:.2f} GiB of it to fetch into" if dry_run else "in"
    print(f"{repository} at {files[0].commit_hash}: {total:.2f} GiB, {verb} {target}\n")


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
