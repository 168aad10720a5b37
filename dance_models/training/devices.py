"""Where one training runs: the device of this process, and how many there are."""

import os

import torch

from dance_models.config import TrainingConfig
from dance_models.errors import InputError


def choose_device(config: TrainingConfig) -> torch.device:
    """The configured device; "auto" is CUDA if available. Raises InputError without it."""
    if config.device == "cuda" and not torch.cuda.is_available():
        why = (
            f"it was built for CUDA {torch.version.cuda}: does `nvidia-smi` show the GPU, and a "
            "driver that is new enough?"
            if torch.version.cuda
            else "it was built for CPUs alone: install a build for CUDA"
        )
        hint = f'Use device "auto" or "cpu". Of torch {torch.__version__}: {why}'
        raise InputError("there is no CUDA device", hint=hint)
    wanted = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(wanted if config.device == "auto" else config.device)


def check_devices(config: TrainingConfig) -> None:
    """Raise InputError unless ``devices`` of them are there and each gets a part of a batch."""
    cuda = choose_device(config).type == "cuda"
    there = torch.cuda.device_count() if cuda else os.cpu_count() or 1
    if config.devices > there:
        kind = "CUDA devices" if cuda else "CPU cores (each counts as a device)"
        raise InputError(
            f"devices is {config.devices}, but there are {there} {kind}",
            hint=f"Ask for at most {there}",
        )
    check_parts(config)


def check_parts(config: TrainingConfig) -> None:
    """Raise InputError unless there is a device, and each gets a part of a batch."""
    if config.devices < 1:
        raise InputError(f"devices is {config.devices}: a training needs at least one")
    if config.devices > config.batch_size:
        raise InputError(
            f"devices is {config.devices}, but a batch has only {config.batch_size} windows",
            hint=f"Ask for at most {config.batch_size}",
        )


def prepare(config: TrainingConfig) -> torch.device:
    """Set threads, determinism (on a CPU) and TF32 (on a GPU); returns the device."""
    torch.set_num_threads(config.threads)
    device = choose_device(config)
    if device.type == "cuda":
        torch.backends.cuda.matmul.allow_tf32 = True
        torch.backends.cudnn.allow_tf32 = True
    # Also switched off again: a process may train on the one and then on the other.
    torch.use_deterministic_algorithms(device.type != "cuda")
    return device
