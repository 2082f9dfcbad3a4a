"""Facts of a clock map: what was found, how sure it is, what it cannot tell and what would help."""

from __future__ import annotations

from typing import Any

from mcukd.observation.clocks.clock_map import ClockMap
from mcukd.text import plural


def clock_facts(clock: ClockMap) -> dict[str, Any]:
    """Return what is known of a tag's clock, in JSON types."""
    return {
        "anchors": [
            {
                "tag_ticks": one.tag_ticks,
                "host_ns": one.host_ns,
                "uncertainty_s": one.uncertainty_s,
                "source": one.source,
                "residual_s": round(float(residual), 6),
            }
            for one, residual in zip(clock.anchors, clock.fit.residuals)
        ],
        "anchors_left_out": [
            {"tag_ticks": one.tag_ticks, "host_ns": one.host_ns, "source": one.source}
            for one in clock.left_out
        ],
        "drift_s_per_h": round(clock.drift_s_per_h, 6),
        "drift_uncertainty_s_per_h": round(clock.drift_uncertainty_s_per_h, 6),
        "drift_measured": clock.drift_measured,
        "jumps": [
            {"after_ticks": before, "before_ticks": after, "seconds": round(size, 6), "uncertainty_s": sd}
            for before, after, size, sd in clock.jumps
        ],
        "rival_explanations": len(clock.rivals),
        "restarts_ticks": list(clock.restarts),
        "unnoticed_jump_s": round(clock.unnoticed_jump_s, 3),
        "scatter_beyond_uncertainty": round(clock.scale, 3),
        "sentences": sentences_of(clock),
    }


def sentences_of(clock: ClockMap) -> list[str]:
    """Say what the anchors tell of a tag's clock."""
    sources = sorted({one.source for one in clock.anchors})
    said = [
        f"The tag's clock is tied to this computer's by {plural(len(clock.anchors), 'anchor')} "
        f"({', '.join(sources)})."
    ]
    said.append(_drift(clock))
    said += [_jump(size, sd) for _, _, size, sd in clock.jumps]
    if clock.rivals:
        said.append(
            "The anchors do not tell where, or whether, the clock jumped; the uncertainty covers each "
            "explanation that fits about as well. More taps between them would decide it."
        )
    if len(clock.anchors) > 1 and len(clock.anchors) - len(clock.fit.begins) < 2:
        said.append(
            "So few anchors cannot tell a drift from a jump between them: a jump of up to "
            f"{clock.unnoticed_jump_s:.1f} s would look like drift. Tap the tag during the session as well."
        )
    elif len(clock.anchors) > 1 and clock.unnoticed_jump_s > 1:
        said.append(f"A jump of less than {clock.unnoticed_jump_s:.1f} s would not have been noticed.")
    if clock.left_out:
        said.append(
            f"{plural(len(clock.left_out), 'anchor')} left out, which those before and after contradict: "
            "look whether the taps found there are yours."
        )
    if clock.scale > 1.5:
        said.append(
            f"The anchors scatter {clock.scale:.1f} times as much as their uncertainties say; the "
            "uncertainty stated is larger by that."
        )
    if clock.restarts:
        unknown = not bool(clock.knows(clock.restarts).all())
        said.append(
            f"The tag started anew {plural(len(clock.restarts), 'time')}; its clock may have jumped there."
            + (" No anchor follows one of the starts: times after it are not known." if unknown else "")
        )
    return said


def _drift(clock: ClockMap) -> str:
    drift, sd = clock.drift_s_per_h, clock.drift_uncertainty_s_per_h
    if not clock.drift_measured:
        return (
            f"Its drift is not measured: taken as {drift:.2f} s/h ± {sd:.2f} s/h, as such clocks have it. "
            "Tap at the other end of the session as well."
        )
    way = "loses" if drift > 0 else "gains"
    return f"It {way} {abs(drift):.3f} s/h against this computer's, ± {sd:.3f} s/h."


def _jump(size: float, sd: float) -> str:
    way = "back" if size > 0 else "forward"
    return f"It jumped {way} by {abs(size):.2f} s ± {sd:.2f} s between two anchors."
