"""Systems in the form of the Hugging Face Hub: a folder with `model.safetensors` and `config.json`, its card."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from facekit.weights.store import WeightsError
from facekit.workspace.files import atomic_path

MODEL, CONFIG = "model.safetensors", "config.json"


def write_folder(weights: Path, folder: Path) -> Path:
    """Copy weights and their card into a folder in the Hub's form; returns the folder."""
    for source, name in ((weights.with_suffix(".json"), CONFIG), (weights, MODEL)):
        with atomic_path(folder / name) as draft:
            shutil.copyfile(source, draft)
    return folder


def read_folder(folder: Path, copy: Path) -> Path:
    """Copy a folder in the Hub's form into `copy`, as weights beside their card; returns the path of the weights.

    Raises `WeightsError` where a file is missing.
    """
    for name in (MODEL, CONFIG):
        if not (folder / name).is_file():
            raise WeightsError(f"{folder} has no {name}: `save_pretrained` writes it")
    shutil.copyfile(folder / CONFIG, copy / "model.json")
    return Path(shutil.copyfile(folder / MODEL, copy / MODEL))


def downloaded(repository: str) -> Path:
    """The folder of a repository of the Hub, such as "someone/stargan-faces", which is downloaded if necessary.

    Raises `WeightsError` where it cannot be reached.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(repository, allow_patterns=[MODEL, CONFIG]))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        raise WeightsError(
            f"{repository} is neither a folder here nor a repository that can be downloaded: {error}"
        ) from error


def upload(weights: Path, repository: str, private: bool = False) -> str:
    """Upload weights and their card to a repository of the Hub, which is created if necessary; returns its address."""
    from huggingface_hub import HfApi

    api = HfApi()
    address = api.create_repo(repository, private=private, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        api.upload_folder(repo_id=repository, folder_path=os.fspath(write_folder(weights, Path(scratch))))
    return str(address)
