"""What is left out of file descriptor 2, and what is passed on."""

import os

import pytest

from dance_models.native_output import STDERR, without_native_noise

NOISY = b"INFO: Created TensorFlow Lite XNNPACK delegate for CPU.\n"


def test_known_lines_are_left_out_and_others_passed_on(capfd: pytest.CaptureFixture[str]) -> None:
    with without_native_noise():
        os.write(STDERR, NOISY + b"ERROR: the model is damaged\n")
        os.write(STDERR, b"without an end")
    os.write(STDERR, b" and after\n")
    assert capfd.readouterr().err == "ERROR: the model is damaged\nwithout an end and after\n"


def test_lines_are_passed_on_when_the_block_fails(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(RuntimeError), without_native_noise():
        os.write(STDERR, b"why\n" + NOISY)
        raise RuntimeError
    assert capfd.readouterr().err == "why\n"
    os.write(STDERR, NOISY)
    assert capfd.readouterr().err == NOISY.decode()
