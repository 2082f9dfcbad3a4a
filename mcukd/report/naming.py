"""How models and figures are called wherever people read them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Optional

from mcukd.fold_results import DEPLOYABLE, DISTILLED, SEARCHED, STUDENT, TEACHER

_MODELS = {
    TEACHER: "Teacher",
    STUDENT: "Student, plain",
    DISTILLED: "Student, distilled",
    SEARCHED: "Student, any classifier",
    DEPLOYABLE: "Student, searched head",
    "tflite_int8": "TFLite int8",
    "majority": "Majority class",
    "random_forest": "Random forest",
    "filter_mlp": "Filter-MLP",
    "mlp_head": "MLP head",
}
#: The same within a sentence, after "the".
_PROSE = {
    TEACHER: "teacher",
    STUDENT: "plain student",
    DISTILLED: "distilled student",
    SEARCHED: "student with any classifier",
    DEPLOYABLE: "student with the searched head",
    "tflite_int8": "TFLite int8 model",
    "majority": "majority class",
    "random_forest": "random forest",
    "filter_mlp": "filter-MLP",
    "mlp_head": "MLP head",
}
#: The baselines of `metrics.json`, as they are listed.
BASELINES = ("filter_mlp", "random_forest", "majority")
_ORDER = (
    *(TEACHER, STUDENT, DISTILLED, SEARCHED, DEPLOYABLE),
    *("fixed_point", "tflite_int8", *BASELINES),
)

_TENSORS = (
    *("input", "kernel_z", "kernel_r", "kernel_h", "recurrent_z", "recurrent_r", "recurrent_h"),
    *("pole", "fir1", "fir1_pre", "tanh", "fir2", "filtered"),
    *("scale_mean", "scale_passed", "scale_filtered", "features"),
    *("z_pre", "z", "r_pre", "r", "h_rec", "h_pre", "h_cand", "h", "dense", "dense_out", "output", "logits"),
)
_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def model_title(name: str) -> str:
    """Return the name of a model of `metrics.json` for people; unknown ones keep their key."""
    integer = re.fullmatch(r"fixed_point_(\d+|auto)(_qat)?", name)
    if integer is None:
        return _MODELS.get(name, name)
    width = "mixed bits" if integer.group(1) == "auto" else f"{integer.group(1)} bits"
    return f"Fixed point, {width}" + (", quantization-aware" if integer.group(2) else "")


def model_in_prose(name: str) -> str:
    """Return how a sentence names a model of `metrics.json`; unknown ones keep their key."""
    if name in _PROSE:
        return f"the {_PROSE[name]}"
    title = model_title(name)
    return title if title == name else f"the {title[0].lower()}{title[1:]} model"


def in_order(names: Iterable[str]) -> list[str]:
    """Sort models along the road, from the teacher to what is deployed; others come last."""

    def place(name: str) -> tuple[int, int, str]:
        stem, _, number = name.removesuffix("_qat").rpartition("_")
        family = stem if stem == "fixed_point" else name
        rank = _ORDER.index(family) if family in _ORDER else len(_ORDER)
        return rank, -int(number) if number.isdigit() else 0, name

    return sorted(names, key=place)


def figure(value: Optional[float], digits: int = 3) -> str:
    """Format a score; a dash where it is undefined."""
    return "–" if value is None else f"{value:.{digits}f}"


def with_spread(value: Optional[float], spread: Optional[float], digits: int = 3) -> str:
    """Format mean ± standard deviation over seeds, or the mean alone with a single seed."""
    mean = figure(value, digits)
    return mean if value is None or spread is None else f"{mean} ± {figure(spread, digits)}"


def between(interval: Optional[Sequence[float]], digits: int = 3) -> str:
    """Format an interval as `.81 to .92`; a dash where there is none."""
    return "–" if interval is None else f"{figure(interval[0], digits)} to {figure(interval[1], digits)}"


def grouped(value: Optional[float]) -> str:
    """Format a count with thin spaces between thousands; a dash where it is unknown."""
    return "–" if value is None else f"{round(value):,}".replace(",", "\u2009")


def of_limit(used: Optional[float], limit: Optional[float]) -> str:
    """Format bytes used, with the share of a memory where its size is known."""
    return grouped(used) if used is None or not limit else f"{grouped(used)} ({used / limit:.0%})"


def along_the_road(tensors: Iterable[str]) -> list[str]:
    """Sort tensors as the computation meets them; unknown ones come last."""
    return sorted(tensors, key=lambda name: (_TENSORS.index(name) if name in _TENSORS else 99, name))


def number(value: float) -> str:
    """Format any real number with three figures: `−0.986`, `32\u2009767`, `2.55·10⁻⁴`."""
    if abs(value) >= 1000:
        text = grouped(value)
    elif value == 0 or abs(value) >= 0.001:
        text = f"{value:.3g}"
    else:
        mantissa, _, exponent = f"{value:.2e}".partition("e")
        text = f"{mantissa}·10{str(int(exponent)).translate(_SUPERSCRIPTS)}"
    return text.replace("-", "−")


def signed(value: float) -> str:
    """Format minutes with their sign and one decimal; what rounds to nothing has none."""
    return "0.0" if abs(value) < 0.05 else f"{value:+.1f}".replace("-", "−")
