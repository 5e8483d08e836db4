"""Upload to and download from the Hugging Face hub."""

import errno
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from condensation.artifacts.export.export import export
from condensation.core.errors import NO_ROOM, CondensationError, MissingExtra
from condensation.core.images import ImageSet

LOGIN = "Log in with: hf auth login, or set HF_TOKEN."
CONNECT = "Check the network connection."


def push(images: ImageSet, card: Mapping[str, Any], repository: str, *, private: bool, message: str) -> str:
    """Upload a set to the data set ``repository``, which is created if needed, and return its address."""
    with tempfile.TemporaryDirectory() as temporary, _hub_errors(f"Could not upload the set to {repository}"):
        from huggingface_hub import HfApi

        folder = export(images, card, Path(temporary) / "set", "hub")  # before the repository is created
        hub = HfApi()
        address = hub.create_repo(repository, repo_type="dataset", private=private, exist_ok=True)
        hub.upload_folder(repo_id=address.repo_id, repo_type="dataset", folder_path=folder, commit_message=message)
    return str(address)


def fetch(repository: str, name: str, revision: str | None) -> Path:
    """Return the path of the file ``name`` of the data set ``repository``, downloaded or in the cache of the hub's library."""
    with _hub_errors(f"There is no folder {repository}, and no set on the hub as {repository}"):
        from huggingface_hub import hf_hub_download

        return Path(hf_hub_download(repository, name, repo_type="dataset", revision=revision))


@contextmanager
def _hub_errors(failed: str) -> Iterator[None]:
    """Raise the errors of the hub's library as `CondensationError`; messages begin with ``failed``."""
    try:
        from huggingface_hub import errors as hub
    except ImportError:
        raise MissingExtra("The Hugging Face hub", "hub") from None
    reasons: dict[type[Exception], tuple[str, str]] = {
        hub.HFValidationError: ("that is not the name of a repository", "Write it as owner/name."),
        hub.LocalTokenNotFoundError: ("you are not logged in", LOGIN),
        hub.LocalEntryNotFoundError: ("the hub cannot be reached, and the file is not cached", CONNECT),
        hub.RepositoryNotFoundError: ("there is no such repository, or it is private", "Check the name, or log in with: hf auth login."),
        hub.EntryNotFoundError: ("the repository holds no set of this package", ""),
    }
    # The errors of the HTTP library, which differs between versions of huggingface_hub.
    unreachable: Any = (OSError, *hub.HfHubHTTPError.__bases__)
    try:
        yield
    except tuple(reasons) as error:
        reason, hint = next(text for kind, text in reasons.items() if isinstance(error, kind))
        raise CondensationError(f"{failed}: {reason}.", hint=hint) from None
    except hub.HfHubHTTPError as error:
        status = error.response.status_code
        hint = LOGIN if status in (401, 403) else "Try again later."
        raise CondensationError(f"{failed}: the hub answered {status}.", hint=hint) from None
    except unreachable as error:
        if getattr(error, "errno", None) in (*NO_ROOM, errno.EACCES, errno.EROFS):
            hint = f"{'Make room, or set' if error.errno in NO_ROOM else 'Set'} HF_HOME to a folder that can be written."
            raise CondensationError(f"{failed}: {error}.", hint=hint) from None
        raise CondensationError(f"{failed}: the hub cannot be reached ({type(error).__name__}).", hint=CONNECT) from None
