"""Set-up of Keras and TensorFlow with the settings that results depend on, whatever the user's are.

Every module takes them from here, inside the function that needs them:

    from mcukd.tensorflow_setup import keras, tensorflow as tf

so that backend, float type, data format and oneDNN are the same from the command line, a notebook and every
worker process, and the same data give the same weights. `import mcukd` pins what has to be set before
TensorFlow starts; the rest is pinned when Keras is first taken from here. Where a notebook had imported
Keras before, with other settings, taking it from here raises a UserError.
"""

from __future__ import annotations

import gc
import logging
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mcukd.errors import UserError
from mcukd.extras import load

if TYPE_CHECKING:
    import keras as keras
    import tensorflow as tensorflow

BACKEND, FLOATX, DATA_FORMAT, EPSILON = "tensorflow", "float32", "channels_last", 1e-7

#: Read by TensorFlow when it starts or later, on which the last bits of a training depend.
_PINNED = {"TF_ENABLE_ONEDNN_OPTS": "0"}
#: Other ways to change what TensorFlow computes, or to have it fail; without them it computes as tested.
DROPPED = (
    "TF_XLA_FLAGS",
    "XLA_FLAGS",
    "TF2_BEHAVIOR",
    "TF_USE_LEGACY_KERAS",
    "TF_ENABLE_AUTO_MIXED_PRECISION",
    "TF_DISABLE_MKL",
    "TF_DISABLE_RZ_CHECK",
)
#: What Keras reads once, when it is imported.
_KERAS = ("KERAS_BACKEND", "KERAS_HOME", "KERAS_MAX_EPOCHS", "KERAS_MAX_STEPS_PER_EPOCH", "KERAS_NNX_ENABLED")
#: What Keras imports, where it is installed, for wrappers and figures that mcukd does not use.
_KERAS_OPTIONAL = ("sklearn", "matplotlib")
_LEVEL = "TF_CPP_MIN_LOG_LEVEL"
_QUIET = "3"
_ANEW = "and start the notebook or program anew"

#: For `part`: the classes of a TFLite file.
SCHEMA = "tensorflow.lite.python.schema_py_generated"

#: Settings of the user's environment that were not followed, by name.
overridden: dict[str, str] = {}
#: Whether what TensorFlow's C++ parts write to standard error is dropped for good, and not only at its start.
_for_good = False


def pin_environment() -> None:
    """Set what TensorFlow reads from the environment, in this process and those it starts."""
    for name, value in _PINNED.items():
        _note(name, value)
        os.environ[name] = value
    os.environ.setdefault(_LEVEL, _QUIET)


def stay_quiet() -> None:
    """Drop for good what TensorFlow and others would log, and warnings; for programs whose output is ours.

    With TF_CPP_MIN_LOG_LEVEL of 0, 1 or 2 in the environment the native log is shown, with PYTHONWARNINGS the
    warnings. Python's own standard error must
    not be descriptor 2 itself, or it is dropped as well.
    """
    global _for_good
    _for_good = True
    for name in ("tensorflow", "absl", "keras", "h5py", "matplotlib"):
        logging.getLogger(name).setLevel(logging.ERROR)
    if not sys.warnoptions:
        warnings.simplefilter("ignore")


def settings() -> dict[str, Any]:
    """Return the settings that results depend on, for a study's manifest; they are the same everywhere."""
    return {
        "backend": BACKEND,
        "floatx": FLOATX,
        "image_data_format": DATA_FORMAT,
        "epsilon": EPSILON,
        "onednn": False,
    }


def part(name: str) -> Any:
    """Return a module of TensorFlow that `import tensorflow` does not offer, such as the schema of TFLite."""
    _load("tensorflow")
    return import_module(name)


def __getattr__(name: str) -> Any:
    if name in ("keras", "tensorflow"):
        try:
            return _load(name)
        except AttributeError as error:
            # Within a module's __getattr__ it would be told as a missing name.
            raise ImportError(f"{name} cannot be imported ({error})") from error
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _load(name: str) -> Any:
    pin_environment()
    first = sys.modules.get("tensorflow") is None
    if first:
        for variable in DROPPED:
            _note(variable, "")
            os.environ.pop(variable, None)
    if first or sys.modules.get(name) is None:
        with _native_log_dropped(), _keras_imported_as_new(), _imported_quickly():
            module = load(name, "what trains networks or writes TFLite files")
    else:
        module = sys.modules[name]
    _require_no_onednn()
    if "keras" in sys.modules:
        _require_settings(sys.modules["keras"])
    return module


@contextmanager
def _keras_imported_as_new() -> Iterator[None]:
    """Have Keras find neither the user's settings in the environment nor a keras.json, and write none."""
    users = {name: os.environ.pop(name) for name in _KERAS if name in os.environ}
    for name in users:
        _note(name, BACKEND if name == "KERAS_BACKEND" else "", users[name])
    # A folder below a file can neither be there nor be made.
    os.environ.update(KERAS_BACKEND=BACKEND, KERAS_HOME=str(Path(__file__) / "no-keras-json"))
    try:
        yield
    finally:
        for name in _KERAS:
            os.environ.pop(name, None)
        os.environ.update(users)


@contextmanager
def _imported_quickly() -> Iterator[None]:
    """Import TensorFlow and Keras in some half of the time.

    Keras finds none of `_KERAS_OPTIONAL`, as if they were not installed, unless they are loaded; Python's
    garbage collector, which would go through all that was imported again and again, pauses.
    """
    hidden = [name for name in _KERAS_OPTIONAL if name not in sys.modules]
    collects = gc.isenabled()
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]
    gc.disable()
    try:
        yield
    finally:
        for name in hidden:
            sys.modules.pop(name, None)
        if collects:
            gc.enable()


def _note(name: str, ours: str, found: str | None = None) -> None:
    found = os.environ.get(name) if found is None else found
    if found is not None and found != ours:
        overridden[name] = found


def _require_no_onednn() -> None:
    try:
        from tensorflow.python.util._pywrap_util_port import IsMklEnabled
    except ImportError:  # a build that never heard of it
        return
    if IsMklEnabled():
        raise UserError(
            "TensorFlow already computes with oneDNN in this process, which changes the last bits of what is "
            f"trained; import mcukd before TensorFlow or set TF_ENABLE_ONEDNN_OPTS=0, {_ANEW}."
        )


def _require_settings(keras: Any) -> None:
    """Raise UserError where Keras, imported or set up by somebody else, would compute otherwise."""
    config = getattr(keras, "config", None)
    if config is None or not hasattr(config, "backend"):
        return  # Keras is on its way in
    policy = config.dtype_policy()
    call = "call keras.config.set_"
    found = (
        ("backend", config.backend(), BACKEND, f"set KERAS_BACKEND=tensorflow, {_ANEW}"),
        ("float type", config.floatx(), FLOATX, f"{call}floatx('{FLOATX}')"),
        ("dtype policy", policy.name, FLOATX, f"{call}dtype_policy('{FLOATX}')"),
        ("data format", config.image_data_format(), DATA_FORMAT, f"{call}image_data_format('{DATA_FORMAT}')"),
        ("epsilon", config.epsilon(), EPSILON, f"{call}epsilon({EPSILON})"),
        ("limit of epochs", _limit(config, "max_epochs"), None, f"{call}max_epochs(None)"),
        ("limit of steps", _limit(config, "max_steps_per_epoch"), None, f"{call}max_steps_per_epoch(None)"),
    )
    for what, value, wanted, remedy in found:
        if value != wanted:
            raise UserError(
                f"Keras is set up in this process with the {what} {value}, expected {wanted or 'none'}, "
                f"without which the same data give other weights; {remedy}."
            )


def _limit(config: Any, name: str) -> Any:
    ask = getattr(config, name, None)
    return None if ask is None else ask()


@contextmanager
def _native_log_dropped() -> Iterator[None]:
    """Drop what C++ writes to standard error while TensorFlow starts, or from then on (`stay_quiet`)."""
    if os.environ.get(_LEVEL) != _QUIET:
        yield
        return
    try:
        ours = os.dup(2)
    except OSError:  # a program without standard error
        yield
        return
    try:
        if sys.stderr is not None:
            sys.stderr.flush()
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 2)
        os.close(nowhere)
        yield
    finally:
        if not _for_good:
            os.dup2(ours, 2)
        os.close(ours)
