"""What the week's traffic costs: as it was counted, and as `instep cost` says of the same seconds.

`instep cost` knows steady traffic and no trouble, so it is held against the ordinary days before
Monday. What the week comes to above its estimate is what the trouble in it cost.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from benchmarks.measure import Figures, ratio
from benchmarks.rounds import Round
from benchmarks.week_traffic import DAY, PROBES, rate
from benchmarks.window import Window
from instep.costs.estimate import Workload, month
from instep.costs.prices import MONTH_SECONDS, added, bill

_HOUR = DAY / 24
_DURATIONS = ("lambda_gb_s", "express_gb_s")  # this machine's, with whatever else it had to do


def estimated(began: float, ended: float, load: Workload) -> dict[str, float]:
    """Return what `instep cost` says between two seconds of the traffic, by item: hour by hour,
    `load` with the changes of that hour.
    """
    used: dict[str, float] = {}
    at = began
    while at < ended:
        seconds = min(_HOUR, ended - at)
        now = replace(load, changes=rate(at + seconds / 2) + PROBES)
        used = added(used, _share(month(now), seconds / MONTH_SECONDS))
        at += seconds
    return used


def whole_rounds(rounds: Sequence[Round], within: Window) -> Window:
    """Return the time from the beginning of the first round in a window to that of the last."""
    began = [one.began for one in rounds if one.began in within]
    return Window(min(began), max(began))


def held_against(counted: Mapping[str, float], estimate: Mapping[str, float]) -> Figures:
    """Return both bills of ordinary days, item by item, and what one is to the other."""
    real, guess = bill(counted), bill({item: estimate.get(item, 0.0) for item in counted})
    whole, guessed = sum(real.values()), sum(guess.values())
    return {
        "cost_estimated_to_counted": ratio(guessed, whole),
        "cost_counted_to_estimated": ratio(whole, guessed),
        "cost_estimated_to_counted_but_for_durations": ratio(
            guessed - sum(guess[item] for item in _DURATIONS),
            whole - sum(real[item] for item in _DURATIONS),
        ),
        "ordinary_counted_usd": round(whole, 5),
        "ordinary_estimated_usd": round(guessed, 5),
        **{f"ordinary_counted_{item}_usd": round(usd, 6) for item, usd in real.items()},
        **{f"ordinary_estimated_{item}_usd": round(usd, 6) for item, usd in guess.items()},
    }


def of_trouble(counted: Mapping[str, float], estimate: Mapping[str, float]) -> Figures:
    """Return what a week with trouble cost, and how much of it without would not have been."""
    real, guess = bill(counted), bill({item: estimate.get(item, 0.0) for item in counted})
    return {
        "week_counted_usd": round(sum(real.values()), 5),
        "week_estimated_usd": round(sum(guess.values()), 5),
        "trouble_usd": round(sum(real.values()) - sum(guess.values()), 5),
        **{f"trouble_{item}_usd": round(usd - guess[item], 6) for item, usd in real.items()},
    }


def _share(used: Mapping[str, float], share: float) -> dict[str, float]:
    return {item: amount * share for item, amount in used.items()}
