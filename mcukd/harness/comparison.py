"""Comparison of every value that a device computes with the integer reference."""

from __future__ import annotations

import time
import zlib
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mcukd.errors import UserError
from mcukd.fixedpoint.model import IntegerModel
from mcukd.fixedpoint.reference import InferenceResult, run, run_recording, trace
from mcukd.harness.messages import DeviceError, Identity, StreamState, WindowResult
from mcukd.harness.probes import Probes
from mcukd.harness.protocol import Device
from mcukd.progress import progress

#: Windows whose samples a proof streams: enough for every state of windows that overlap to end some.
_STREAMED = 8


def check_identity(who: Identity, url: str, board: str, model: IntegerModel, firmware_sha256: str) -> None:
    """Raise UserError unless the device is `board` and carries exactly this firmware and model."""
    if who.board != board:
        raise UserError(
            f"{url}: the device there is board '{who.board}', expected '{board}'; "
            "choose its port with --port or its board with --board."
        )
    if who.model_sha256 != model.sha256:
        raise UserError(
            f"{url}: the device carries model {who.model_sha256[:12]}, expected the study's model "
            f"{model.sha256[:12]}; flash this study's firmware with 'mcukd flash --board {board}'."
        )
    if who.firmware_sha256 != firmware_sha256:
        raise UserError(
            f"{url}: the device carries firmware {who.firmware_sha256[:12]}, expected the study's build "
            f"{firmware_sha256[:12]}; flash it with 'mcukd flash --board {board}'."
        )
    shape = (who.window, who.hidden, who.channels, who.classes)
    expected = (model.window, model.state_halfwords, model.channels, len(model.classes))
    if shape != expected:
        raise UserError(
            f"{url}: the device's model has shape {shape} (steps, units, channels, classes), "
            f"expected {expected}; build and flash it again."
        )


def prove(device: Device, model: IntegerModel, probes: Probes, who: Identity) -> dict[str, Any]:
    """Run every probe on the device and return the facts of `validation/<board>.json`, sizes left out.

    image_emulated: what the image says of itself; where it ran is the caller's to say.
    count_range: least and most instructions or cycles per window, of which the median is given.
    stack_high_water_bytes: read after every kind of request was made, in both encodings.
    streaming: whether samples of several windows, streamed as in operation, gave the reference's results.
    counter_problem: a sentence where the counter's readings are no measurement; the figures are None then.
    Raises UserError where the device stops answering.
    """
    if not len(probes.counts):
        raise ValueError("no windows to prove a device on")
    start = time.monotonic()
    selftest = device.selftest()
    expected = run(model, probes.model_counts)
    results: list[WindowResult] = []
    mismatches: list[int] = []
    with progress(f"Windows on {who.board}", len(probes.counts)) as advance:
        for n, window in enumerate(probes.counts):
            if n == len(probes.counts) - 1:
                # The last window's reply tells the most stack of all that came before it.
                samples = np.concatenate(spread_evenly(probes.counts))
                streamed = streamed_right(
                    exercise(device, samples), *run_recording(model, probes.scaling.apply(samples))
                )
            result = device.run_window(window)
            results.append(result)
            if difference(result, expected, n) is not None:
                mismatches.append(n)
                if len(mismatches) == 1:
                    first = _first_mismatch(device, model, probes, n, result, expected)
            advance(1, f"{len(mismatches)} mismatches, {device.retries} retries")
    counts, problem = measured(results, who)
    per_window = round(float(np.median(counts))) if counts else None
    return {
        "board": who.board,
        "image_emulated": who.emulated,
        "model_sha256": who.model_sha256,
        "firmware_sha256": who.firmware_sha256,
        "windows": len(results),
        "windows_sha256": probes.sha256,
        "mismatches": len(mismatches),
        "first_mismatch": first if mismatches else None,
        "instructions_per_window": per_window if who.counter_kind == "instructions" else None,
        "cycles_per_window": per_window if who.counter_kind == "cycles" else None,
        "stack_high_water_bytes": max((r.stack_bytes for r in results if r.stack_bytes), default=None),
        "bytes_sent": device.link.bytes_sent,
        "bytes_received": device.link.bytes_received,
        "retries": device.retries,
        "seconds": round(time.monotonic() - start, 3),
        "selftest": {
            "answers": selftest.answers,
            "passed": selftest.passed,
            "wrong_logits": list(selftest.wrong_logits),
            "wrong_states": list(selftest.wrong_states),
        },
        "streaming": {"passed": streamed},
        "counter_kind": who.counter_kind,
        "counter_problem": problem,
        "count_range": [min(counts), max(counts)] if counts else None,
        "extreme_windows": probes.extremes,
    }


def spread_evenly(windows: NDArray[np.int16]) -> NDArray[np.int16]:
    """Return some of windows (N, T, C), the first and the last among them, to be streamed in a row."""
    return windows[np.unique(np.linspace(0, len(windows) - 1, _STREAMED).astype(np.int64))]


def exercise(device: Device, samples: NDArray[np.int16]) -> list[StreamState]:
    """Make every kind of request that a proof does not make by itself; return what streaming samples told.

    samples: (S, C) counts, at least a window of them. Among the requests are a robust one and one that is
    refused, so that the stack's high-water mark afterwards covers all that the firmware can be asked.
    """
    window = device.who().window
    device.trace_step(0, 0)
    device.trace_digest(0)
    with device.robustly():
        device.trace_step(0, 0)
    with suppress(DeviceError):
        device.trace_step(window, 0)
    device.reset_stream()
    told = list(device.push(0, samples))
    device.ethogram()
    return told


def streamed_right(told: list[StreamState], classes: NDArray[np.int64], logits: NDArray[np.int32]) -> bool:
    """Tell whether each result that streaming told of is the expected one, and all were told of.

    classes, logits: (n,) and (n, K), of `reference.run_recording` on the samples as the model meets them.
    """
    found = {one.results: (one.latest_class, one.latest_logits.tolist()) for one in told if one.results}
    expected = zip(classes.tolist(), logits.tolist())
    return found == dict(enumerate(expected, 1))


def measured(results: list[WindowResult], who: Identity) -> tuple[list[int], str | None]:
    """Return the counts per window, or none and a sentence where the counter did not count them.

    A window of T steps takes at least T instructions, so a smaller count is no measurement.
    """
    counts = [result.count for result in results if result.count is not None]
    still = sum(count == 0 for count in counts)
    short = sum(0 < count < who.window for count in counts)
    name = {"instructions": "instruction", "cycles": "cycle"}.get(who.counter_kind, "")
    if still:
        during = "" if still == len(counts) else f" during {still} of {len(counts)} windows"
        return [], f"The {name} counter stood still{during}, so the {name}s of a window are not known."
    if short:
        return [], (
            f"The {name} counter ran too slowly: it counted {min(counts)} in a window of {who.window} steps, "
            f"each of which takes more than one; the {name}s of a window are not known."
        )
    return counts, None


def difference(result: WindowResult, expected: InferenceResult, n: int) -> dict[str, Any] | None:
    """Return what differs between a device's result and window `n` of the reference, or None."""
    pairs = {
        "state_crc": (int(expected.state_crc[n]), result.state_crc),
        "logits": (expected.logits[n].tolist(), result.logits.tolist()),
        "class": (int(expected.classes[n]), result.class_index),
    }
    for value, (wanted, found) in pairs.items():
        if wanted != found:
            return {"value": value, "expected": wanted, "found": found}
    return None


def locate(device: Device, model: IntegerModel, window: NDArray[np.int16]) -> dict[str, Any] | None:
    """Return step, tensor and unit of the first traced value that differs, or None where the trace agrees.

    `window` (T, C) is what the device's model makes of the one that it was sent last.
    """
    for step, tensors in enumerate(trace(model, window)):
        states = b"".join(tensors[name].astype("<i2").tobytes() for name in model.trace_tensors)
        if device.trace_digest(step) == zlib.crc32(states):
            continue
        for number, name in enumerate(model.trace_tensors):
            found = device.trace_step(step, number)
            units = np.flatnonzero(found != tensors[name])
            if len(units):
                unit = int(units[0])
                return _place(step, name, unit, int(tensors[name][unit]), int(found[unit]))
    return None


def _first_mismatch(
    device: Device,
    model: IntegerModel,
    probes: Probes,
    n: int,
    result: WindowResult,
    expected: InferenceResult,
) -> dict[str, Any]:
    found = difference(result, expected, n)
    assert found is not None
    place = locate(device, model, probes.model_counts[n])
    if place is None and found["value"] == "state_crc":
        # The traced step agrees and the plain one does not: only the state's checksum is known of it.
        place = _place(None, "h", None, None, None)
    elif place is None:
        units = np.flatnonzero(result.logits != expected.logits[n])
        place = _place(model.window - 1, "class", None, int(expected.classes[n]), result.class_index)
        if len(units):
            unit = int(units[0])
            wanted = int(expected.logits[n][unit])
            place = _place(model.window - 1, "logits", unit, wanted, int(result.logits[unit]))
    return {"window": n, "origin": probes.origins[n], **found, **place}


def _place(
    step: int | None, tensor: str, unit: int | None, wanted: int | None, found: int | None
) -> dict[str, Any]:
    return {"step": step, "tensor": tensor, "unit": unit, "expected_value": wanted, "found_value": found}


def mismatch_sentence(first: dict[str, Any]) -> str:
    """Say in one sentence where a device left the reference."""
    where = f"window {first['window']} ({first['origin']})"
    if first["step"] is None:
        return f"First mismatch: {where}: the states' checksum differs though every traced step agrees."
    unit = "" if first["unit"] is None else f", unit {first['unit']}"
    return (
        f"First mismatch: {where}, step {first['step']}, tensor {first['tensor']}{unit}: "
        f"expected {first['expected_value']}, found {first['found_value']}."
    )
