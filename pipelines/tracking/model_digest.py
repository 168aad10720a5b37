"""The digest of a logged model's folder, which loading the model does not change."""

import hashlib
from pathlib import Path
from typing import Final

from dance_models.tables import file_digest

# MLflow writes this note into the folder itself whenever a model is loaded, with the name and
# version that it was loaded by; both are null when it was loaded by its id. The digest counts the
# note as loading by id leaves it, so that it depends on the model alone. Versions that were
# registered while the pipeline still loaded models by id have that digest too.
LOADED_BY_NOTE: Final = "registered_model_meta"
LOADED_BY_ID: Final = hashlib.sha256(b"model_name: null\nmodel_version: null\n").hexdigest()


def model_digest(folder: Path) -> str:
    """sha256 over the names and contents of all files of a logged model's folder."""
    digests = {
        path.relative_to(folder): file_digest(path) for path in folder.rglob("*") if path.is_file()
    }
    digests[Path(LOADED_BY_NOTE)] = LOADED_BY_ID
    total = hashlib.sha256()
    for path, digest in sorted(digests.items()):
        total.update(f"{path.as_posix()} {digest}\n".encode())
    return total.hexdigest()
