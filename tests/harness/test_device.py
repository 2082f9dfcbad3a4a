"""Generated C behind a byte line, intact and faulty, and ports without a device."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from builders.device import FAST, FIRMWARE_SHA256, build_device, serving, write_device
from builders.students import extreme_windows, random_model, random_windows

from mcukd.errors import UserError
from mcukd.fixedpoint.model import IntegerModel
from mcukd.fixedpoint.reference import as_stream, run, run_recording, run_stream, trace
from mcukd.harness.comparison import (
    check_identity,
    exercise,
    locate,
    mismatch_sentence,
    prove,
    streamed_right,
)
from mcukd.harness.faults import Faults, bad_line, false_device, main
from mcukd.harness.messages import DeviceError, Request
from mcukd.harness.probes import Probes
from mcukd.harness.protocol import Device, open_device
from mcukd.harness.transport import Link, open_link

pytestmark = pytest.mark.skipif(shutil.which("cc") is None, reason="needs a host C compiler")

STEPS, HOP = 30, 7
#: So many windows and bytes that a line with a fault meets every kind of request.
COUNTS = np.concatenate([random_windows(8, STEPS, seed=5).counts, extreme_windows(4, STEPS)])


@pytest.fixture(scope="module")
def model() -> IntegerModel:
    return replace(random_model(3, hidden=11, dense=6, classes=5, steps=STEPS), hop=HOP)


@pytest.fixture(scope="module")
def binary(model: IntegerModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_device(model, tmp_path_factory.mktemp("device"))


@contextmanager
def connected(binary: Path, faults: Faults = Faults()) -> Iterator[Device]:
    with serving(binary) as url, bad_line(url, faults) as line, open_device(line, FAST) as device:
        device.timeout = 0.1  # the device answers within milliseconds
        yield device


@pytest.fixture(scope="module")
def link(binary: Path) -> Iterator[Link]:
    with serving(binary) as url, open_link(url) as link:
        yield link


@pytest.fixture
def device(link: Link) -> Device:
    return Device(link, baud_rate=FAST)


def probes(counts: np.ndarray = COUNTS) -> Probes:
    return Probes(counts, tuple(f"number {n}" for n in range(len(counts))), 0)


def assert_equal_to_reference(device: Device, model: IntegerModel, counts: np.ndarray) -> None:
    expected = run(model, counts)
    for n, window in enumerate(counts):
        result = device.run_window(window)
        assert result.class_index == expected.classes[n]
        assert result.logits.tolist() == expected.logits[n].tolist()
        assert result.state_crc == expected.state_crc[n]


def test_the_device_says_who_it_is(device: Device, model: IntegerModel) -> None:
    who = device.who()
    assert (who.board, who.firmware_sha256, who.model_sha256) == ("bench", FIRMWARE_SHA256, model.sha256)
    assert (who.window, who.hop, who.hidden, who.channels, who.classes) == (STEPS, HOP, 11, 3, 5)
    assert (who.emulated, who.counter_kind, who.counter_scale) == (True, "none", 1)


def test_a_good_line_needs_no_retry_and_gives_every_value(device: Device, model: IntegerModel) -> None:
    assert_equal_to_reference(device, model, COUNTS)
    assert device.selftest().passed
    assert device.retries == 0 and not device.robust


def test_a_window_larger_than_any_frame(tmp_path: Path) -> None:
    """256 steps, as on the tags: 1536 bytes in seven plain frames, or 32 robust ones."""
    model = random_model(1, steps=256)
    counts = random_windows(1, 256).counts
    binary = build_device(model, tmp_path, sanitized=False)
    with serving(binary) as url, open_device(url) as device:
        assert_equal_to_reference(device, model, counts)
    with connected(binary, Faults(drop_every=10)) as device:
        assert_equal_to_reference(device, model, counts)
        assert device.robust and 0 < device.retries < 10


def test_many_classes_and_units_fit_the_replies(tmp_path: Path) -> None:
    model = random_model(2, hidden=70, dense=3, classes=200, steps=4)
    counts = random_windows(3, 4).counts
    with serving(build_device(model, tmp_path)) as url, open_device(url) as device:
        assert_equal_to_reference(device, model, counts)
        assert locate(device, model, counts[-1]) is None
        assert len(device.ethogram()) == 200


def test_dropping_every_tenth_byte_both_ways_costs_retries_and_no_value(
    binary: Path, model: IntegerModel
) -> None:
    with connected(binary, Faults(drop_every=10)) as device:
        facts = prove(device, model, probes(), device.who())
    assert facts["mismatches"] == 0 and facts["selftest"]["passed"]
    # Plain frames of this size always lose a byte: three attempts, then robust ones that never do.
    assert facts["retries"] == 3


@pytest.mark.parametrize("period", [2, 3, 7])
def test_dropping_more_often_completes(binary: Path, model: IntegerModel, period: int) -> None:
    with connected(binary, Faults(drop_every=period)) as device:
        assert_equal_to_reference(device, model, COUNTS[:2])


@pytest.mark.parametrize("faults", [Faults(drop=0.1, seed=1), Faults(corrupt=0.001, seed=2)])
def test_random_loss_and_damage_complete(binary: Path, model: IntegerModel, faults: Faults) -> None:
    with connected(binary, faults) as device:
        assert_equal_to_reference(device, model, COUNTS[:4])
        assert device.retries > 0


def test_selftest_names_the_wrong_answer(model: IntegerModel, tmp_path: Path) -> None:
    sources = write_device(model, tmp_path)
    answers = tmp_path / "mcukd_known_answer.c"
    text = answers.read_text()
    second_row = text.rindex("{", 0, text.index("mcukd_known_state_crc") - len("};\n\nconst uint32_t ")) + 1
    answers.write_text(text[:second_row] + "1 +" + text[second_row:])
    subprocess.run(["cc", "-std=c99", *sources, "-o", tmp_path / "device"], check=True)
    with serving(tmp_path / "device") as url, open_device(url) as device:
        found = device.selftest()
    assert not found.passed
    assert (found.answers, found.wrong_logits, found.wrong_states) == (2, (1,), ())


# Errors


def test_another_model_is_one_sentence_before_any_window(model: IntegerModel, device: Device) -> None:
    who = device.who()
    other = random_model(9, steps=STEPS)
    with pytest.raises(UserError, match=rf"carries model {model.sha256[:12]}.*{other.sha256[:12]}.*flash"):
        check_identity(who, "port", "bench", other, FIRMWARE_SHA256)
    with pytest.raises(UserError, match="is board 'bench', expected 'collar'"):
        check_identity(who, "port", "collar", model, FIRMWARE_SHA256)
    with pytest.raises(UserError, match=r"carries firmware abababababab, expected .* cdcdcdcdcdcd"):
        check_identity(who, "port", "bench", model, "cd" * 32)
    check_identity(who, "port", "bench", model, FIRMWARE_SHA256)


@pytest.mark.parametrize(
    ("behaviour", "sentence"),
    [
        ("echo", "only echoes what is sent"),
        ("silent", "nothing answers"),
        ("garbage", "not mcukd's firmware"),
    ],
)
def test_what_is_no_device_is_one_sentence(behaviour: str, sentence: str) -> None:
    with false_device(behaviour) as url, open_device(url, FAST) as device, pytest.raises(UserError) as caught:
        device.timeout = 0.1
        device.who()
    assert sentence in str(caught.value) and "\n" not in str(caught.value) and url in str(caught.value)


def test_a_loop_of_joined_data_lines_is_seen_as_an_echo() -> None:
    with open_device("loop://") as device, pytest.raises(UserError, match="only echoes"):
        device.who()


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("/dev/no-such-port", r"/dev/no-such-port: the port does not open \(No such file or directory\)"),
        ("socket://127.0.0.1:1", "does not open .*refused.*other end is running"),
        ("nonsense://x", "nonsense://x: not a port name or URL"),
        ("socket://no-port", "a host and a port number are expected"),
        ("socket://localhost:99999", "a host and a port number are expected"),
        ("socket://localhost:x", "a host and a port number are expected"),
        ("rfc2217://localhost", "a host and a port number are expected"),
        ("hwgrep://[", "not a port name or URL"),
        ("/dev/null", "does not open .it is no serial port"),
    ],
)
def test_a_port_that_does_not_open_is_one_sentence(url: str, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence), open_device(url):
        pass


def test_a_device_that_goes_away_is_one_sentence(binary: Path) -> None:
    with serving(binary) as url, open_device(url) as device:
        device.who()
    with pytest.raises(UserError, match="line was lost"):
        device.who()


def test_a_device_that_falls_silent_is_one_sentence(device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mcukd.harness.protocol.ROBUST_ATTEMPTS", 3)
    device.who()
    device.link = Link(_Silent(), "port")
    device.timeout = 0.001
    with pytest.raises(UserError, match=r"stopped answering \(WHO sent 6 times"):
        device.who()


class _Silent:
    in_waiting = 0

    def write(self, data: bytes) -> None: ...

    def read(self, size: int) -> bytes:
        return b""


def test_a_crash_report_of_the_firmware_is_shown() -> None:
    class Crashing(_Silent):
        def read(self, size: int) -> bytes:
            return b"\x00mcukd fault 00000003 pc 00001234 stack overflow\r\n\x00"

    with pytest.raises(UserError, match=r"crashed in WHO \(exception 00000003 pc 00001234 stack"):
        Device(Link(Crashing(), "port")).who()


@pytest.mark.parametrize(
    ("request_", "payload", "code", "detail"),
    [
        (Request.RUN, b"\0\0\0\0", 4, None),
        (Request.RUN, b"\0", 2, 1),
        (Request.WRITE, b"\0\0\0", 2, 3),
        (Request.WRITE, b"\x01\0\0\0\1\1", 3, 2 * 3 * STEPS),
        (Request.WRITE, b"\xff\xff\xff\xff\1\1", 3, 2 * 3 * STEPS),
        (Request.WRITE, bytes([2 * 3 * STEPS - 2, 0, 0, 0]) + bytes(4), 3, 2 * 3 * STEPS),
        (Request.TRACE, bytes([STEPS, 0, 0, 0, 0, 0, 0]), 3, STEPS),
        (Request.TRACE, bytes([0, 0, 0, 0, 8, 0, 0]), 3, 8),
        (Request.TRACE, bytes([0, 0, 0, 0, 0, 11, 0]), 3, 11),
        (Request.TRACE, b"", 2, 0),
        (Request.PUSH, b"\0\0\0\0\1", 2, 5),
        (Request.PUSH, b"\1\0\0\0" + bytes(6), 6, 0),
        (0x33, b"", 1, 0x33),
    ],
)
def test_requests_out_of_bounds_are_refused(
    device: Device, request_: int, payload: bytes, code: int, detail: int
) -> None:
    kind = Request(request_) if request_ in list(Request) else _Unknown(request_)
    with pytest.raises(DeviceError) as caught:
        device.exchange(kind, payload, 0.5)  # type: ignore[arg-type]
    assert caught.value.code == code
    if detail is not None:
        assert caught.value.detail == detail
    assert str(caught.value).count("the device refuses") == 1


def test_a_slow_line_is_given_the_time_its_bytes_take() -> None:
    """240 bytes at 1200 baud take two seconds, in which nothing is sent again."""
    asked: list[float] = []

    class Waiting(Link):
        def receive(self, deadline: float) -> bytes:
            asked.append(deadline - time.monotonic())
            raise UserError("seen")

    with pytest.raises(UserError, match="seen"):
        Device(Waiting(_Silent(), "port"), baud_rate=1200).exchange(Request.WRITE, bytes(240), 0.4)
    assert asked[0] > 0.4 + 2


def test_a_reply_of_another_length_is_one_sentence(device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    device.who()
    monkeypatch.setattr(device, "exchange", lambda *_: b"\1\2")
    for ask in (device.who, device.selftest, device.reset_stream, lambda: device.run_window(COUNTS[0])):
        with pytest.raises(UserError, match="has 2 bytes, which its model does not explain"):
            ask()


def test_the_faults_command_names_its_line() -> None:
    command = [sys.executable, "-m", "mcukd.harness.faults", "echo"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        with open_device(url) as device, pytest.raises(UserError, match="only echoes"):
            device.who()
        process.terminate()


def test_the_faults_command_says_what_is_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["/dev/no-such-port", "--drop-every", "10"]) == 2
    assert "/dev/no-such-port: the port does not open" in capsys.readouterr().err


class _Unknown(int):
    name = "UNKNOWN"


def test_a_device_that_forgets_its_window_is_sent_it_again(device: Device, model: IntegerModel) -> None:
    class Forgetful(Device):
        def write(self, data: bytes) -> None:
            super().write(bytes(len(data)) if not self.retries else data)

    forgetful = Forgetful(device.link)
    assert_equal_to_reference(forgetful, model, COUNTS[:1])
    assert forgetful.retries == 1


# Trace


def test_trace_equals_the_reference_forwards_and_backwards(device: Device, model: IntegerModel) -> None:
    device.run_window(COUNTS[0])
    expected = trace(model, COUNTS[0])
    for step in (0, 1, 5, 29, 3, 3, 0):
        for number, name in enumerate(model.trace_tensors):
            assert device.trace_step(step, number).tolist() == expected[step][name].tolist()


def altered(model: IntegerModel, name: str, index: tuple[int, ...], by: int) -> IntegerModel:
    array = model.arrays[name].copy()
    array[index] += by
    return replace(model, arrays={**model.arrays, name: array})


def test_the_first_diverging_step_tensor_and_unit_are_named(device: Device, model: IntegerModel) -> None:
    other = altered(model, "kernel_r", (4, 1), 3)
    facts = prove(device, other, probes(), device.who())
    assert facts["mismatches"] > 0
    first = facts["first_mismatch"]
    window = COUNTS[first["window"]]
    ours, theirs = trace(model, window), trace(other, window)
    step, name, unit = next(
        (t, name, int(u))
        for t in range(STEPS)
        for name in model.trace_tensors
        for u in np.flatnonzero(ours[t][name] != theirs[t][name])
    )
    assert (first["step"], first["tensor"], first["unit"]) == (step, name, unit) and name == "r_pre"
    assert first["found_value"] == ours[step][name][unit]
    assert first["expected_value"] == theirs[step][name][unit]
    sentence = mismatch_sentence(first)
    assert f"step {step}, tensor r_pre, unit 4" in sentence and "number" in sentence


def test_a_proof_makes_every_kind_of_request_in_both_encodings_before_the_last_window(
    device: Device, model: IntegerModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that the last window's figure of the stack covers all that the firmware can be asked."""
    sent: list[tuple[Request, bool]] = []
    exchange = device.exchange

    def noting(request: Request, payload: bytes, wait: float) -> bytes:
        sent.append((request, device.robust))
        return exchange(request, payload, wait)

    monkeypatch.setattr(device, "exchange", noting)
    facts = prove(device, model, probes(COUNTS[:3]), device.who())
    assert facts["streaming"] == {"passed": True} and facts["mismatches"] == 0
    last = max(n for n, (request, _) in enumerate(sent) if request == Request.RUN)
    assert {request for request, _ in sent[:last]} == {
        request for request in Request if request < Request.LOG
    }
    assert any(robust for _, robust in sent[:last]) and not device.robust
    assert sum(request == Request.RUN for request, _ in sent) == 3


def test_a_stream_that_differs_from_its_window_is_no_proof(device: Device, model: IntegerModel) -> None:
    samples = np.concatenate(COUNTS[:2])
    told = exercise(device, samples)
    expected = run_recording(model, samples)
    assert told[-1].results == 5 and streamed_right(told, *expected)
    for place in (-1, len(told) // 2 + 2):
        state = told[place]
        assert state.results
        for wrong in (
            replace(state, latest_class=None),
            replace(state, latest_class=(state.latest_class + 1) % 5),
            replace(state, latest_logits=state.latest_logits + 1),
            replace(state, results=state.results + 1),
        ):
            altered_states = list(told)
            altered_states[place] = wrong
            assert not streamed_right(altered_states, *expected)


def test_a_difference_in_the_head_is_named_by_its_logit(device: Device, model: IntegerModel) -> None:
    other = altered(model, "output_bias", (2,), 50_000)
    facts = prove(device, other, probes(), device.who())
    first = facts["first_mismatch"]
    assert (first["value"], first["tensor"], first["unit"], first["step"]) == (
        "logits",
        "logits",
        2,
        STEPS - 1,
    )


# Streaming


def stream(seed: int, samples: int) -> np.ndarray:
    return np.concatenate(random_windows(samples // STEPS + 1, STEPS, seed=seed).counts)[:samples]


def test_streaming_equals_the_overlapping_windows_one_by_one(device: Device, model: IntegerModel) -> None:
    """A hop of 7 in a window of 30, so that five states overlap and the last is cut short."""
    device.reset_stream()
    samples = stream(1, 400)
    starts = range(0, 400 - STEPS + 1, HOP)
    expected = run(model, np.stack([samples[s : s + STEPS] for s in starts]))
    seen = {state.results: state for state in device.push(0, samples) if state.results}
    assert list(seen) == list(range(1, len(starts) + 1))
    for number, state in seen.items():
        assert state.latest_class == expected.classes[number - 1]
        assert state.latest_logits.tolist() == expected.logits[number - 1].tolist()
    assert device.ethogram().tolist() == np.bincount(expected.classes, minlength=5).tolist()


def test_repeated_and_overlapping_samples_are_ignored_and_gaps_refused(device: Device) -> None:
    device.reset_stream()
    samples = stream(2, 100)
    *_, whole = device.push(0, samples)
    device.reset_stream()
    list(device.push(0, samples[:60]))
    list(device.push(0, samples[:60]))
    *_, pieces = device.push(45, samples[45:])
    assert pieces.samples == whole.samples == 100
    assert pieces.results == whole.results == (100 - STEPS) // HOP + 1
    assert pieces.latest_logits.tolist() == whole.latest_logits.tolist()
    with pytest.raises(DeviceError, match="expects sample 100 next"):
        list(device.push(102, samples))


def test_before_the_first_full_window_there_is_no_class(device: Device) -> None:
    state = device.reset_stream()
    assert (state.samples, state.results, state.latest_class) == (0, 0, None)
    *_, state = device.push(0, stream(3, STEPS - 1))
    assert (state.results, state.latest_class) == (0, None)


def test_ethogram_counts_beyond_a_byte(device: Device, model: IntegerModel) -> None:
    """256 windows of one class overflowed the byte in which published collars sent their counts."""
    device.reset_stream()
    samples = np.tile(COUNTS[0, 0], (STEPS + 299 * HOP, 1))
    list(device.push(0, samples))
    counts = device.ethogram()
    assert counts.max() == counts.sum() == 300


def test_streaming_over_a_line_that_loses_bytes(binary: Path, model: IntegerModel) -> None:
    samples = stream(4, 90)
    with connected(binary, Faults(drop_every=10)) as device:
        device.reset_stream()
        *_, state = device.push(0, samples)
    starts = range(0, 90 - STEPS + 1, HOP)
    expected = run(model, np.stack([samples[s : s + STEPS] for s in starts]))
    assert state.results == len(starts)
    assert state.latest_logits.tolist() == expected.logits[-1].tolist()


# Streaming with a carried state


@pytest.fixture(scope="module")
def carried_binary(model: IntegerModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_device(as_stream(model), tmp_path_factory.mktemp("carried"))


@pytest.mark.parametrize("stop", [STEPS - 1, STEPS, 400])
def test_a_carried_state_gives_the_references_results_and_starts_anew_at_a_reset(
    carried_binary: Path, model: IntegerModel, stop: int
) -> None:
    carried, samples = as_stream(model), stream(1, 400)
    with connected(carried_binary) as device:
        list(device.push(0, stream(2, 77)))
        device.reset_stream()
        told = list(device.push(0, samples[:stop]))
        expected = run_stream(carried, samples[:stop])
        assert streamed_right(told, expected.classes, expected.logits)
        assert told[-1].results == len(expected.classes) == max(0, (stop - STEPS) // HOP + 1)
        assert device.ethogram().tolist() == np.bincount(expected.classes, minlength=5).tolist()


def test_a_proof_of_a_carried_state_streams_it_on_after_its_first_window(
    carried_binary: Path, model: IntegerModel
) -> None:
    """Known answers and windows of RUN start from zero all the same: it is the same step."""
    carried = as_stream(model)
    with connected(carried_binary) as device:
        facts = prove(device, carried, probes(COUNTS[:3]), device.who())
    assert facts["streaming"] == {"passed": True} and facts["mismatches"] == 0
    assert facts["selftest"]["passed"]


def test_trap_a_state_that_starts_anew_with_each_window_is_no_carried_one(
    device: Device, model: IntegerModel
) -> None:
    facts = prove(device, as_stream(model), probes(COUNTS[:3]), device.who())
    assert facts["streaming"] == {"passed": False} and facts["mismatches"] == 0
