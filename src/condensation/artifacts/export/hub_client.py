"""To and from the Hugging Face hub."""

from __future__ import annotations

import errno
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from condensation.artifacts.export.export import export
from condensation.core.errors import NO_ROOM, CondensationError, MissingExtra
from condensation.core.images import ImageSet


def push(images: ImageSet, card: Mapping[str, Any], repository: str, *, private: bool, message: str) -> str:
    """Put a set into the data set ``repository``, which is made if need be; its address is returned.

    Raises:
        CondensationError: if the hub cannot be reached or refuses.
        MissingExtra: if packages of the extra ``hub`` are not here.
    """
    with tempfile.TemporaryDirectory() as beside, _plainly(f"The set was not put on the hub as {repository}"):
        from huggingface_hub import HfApi

        folder = export(images, card, Path(beside) / "set", "hub")  # before the repository is made
        hub = HfApi()
        address = hub.create_repo(repository, repo_type="dataset", private=private, exist_ok=True)
        hub.upload_folder(repo_id=address.repo_id, repo_type="dataset", folder_path=folder, commit_message=message)
    return str(address)


def fetch(repository: str, name: str, revision: str | None) -> Path:
    """The file ``name`` of the data set ``repository``, from the hub or from where it was kept after an earlier call.

    Raises:
        CondensationError: if there is no such file or repository, or the hub cannot be reached.
        MissingExtra: if huggingface_hub is not here.
    """
    with _plainly(f"There is no folder {repository}, and no set was found on the hub as {repository}"):
        from huggingface_hub import hf_hub_download

        return Path(hf_hub_download(repository, name, repo_type="dataset", revision=revision))


@contextmanager
def _plainly(failed: str) -> Iterator[None]:
    """What the hub's library raises, in plain words."""
    try:
        from huggingface_hub.errors import (
            EntryNotFoundError,
            HfHubHTTPError,
            HFValidationError,
            LocalEntryNotFoundError,
            LocalTokenNotFoundError,
            RepositoryNotFoundError,
        )
    except ImportError:
        raise MissingExtra("The Hugging Face hub", "hub") from None
    # The errors of the HTTP library below, which has changed from one version to the next.
    unreachable: Any = (OSError, *HfHubHTTPError.__bases__)
    try:
        yield
    except HFValidationError:
        raise CondensationError(f"{failed}: that is not a name of a repository.\nGive it as owner/name.") from None
    except LocalTokenNotFoundError:
        raise CondensationError(f"{failed}: nobody is logged in.\nLog in with: hf auth login, or set HF_TOKEN.") from None
    except LocalEntryNotFoundError:
        raise CondensationError(f"{failed}: the hub cannot be reached, and nothing of it is kept here.\nSee to the network.") from None
    except RepositoryNotFoundError:
        raise CondensationError(f"{failed}: there is no such repository, or it is private.\nSee to the name, or: hf auth login.") from None
    except EntryNotFoundError:
        raise CondensationError(f"{failed}: the repository has no set of this package.") from None
    except HfHubHTTPError as error:
        status = error.response.status_code
        advice = "\nLog in with: hf auth login, or set HF_TOKEN." if status in (401, 403) else "\nTry again later."
        raise CondensationError(f"{failed}: the hub answered {status}.{advice}") from None
    except unreachable as error:
        if getattr(error, "errno", None) in (*NO_ROOM, errno.EACCES, errno.EROFS):
            advice = "Make room, or let" if error.errno in NO_ROOM else "Let"
            raise CondensationError(f"{failed}: {error}.\n{advice} HF_HOME name a folder that can be written.") from None
        raise CondensationError(f"{failed}: the hub cannot be reached ({type(error).__name__}).\nSee to the network.") from None
