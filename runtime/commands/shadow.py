"""``equipwatch shadow``: detectors and thresholds on live data without incidents."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from runtime.commands.options import DEFAULT_DATA, AsJson, Data

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from domain.shadow import Act, Candidate, Claim, Episode

app = typer.Typer(
    help="Candidates: what a detector or threshold would add or miss, and making it live.",
    no_args_is_help=True,
)

Name = Annotated[str, typer.Argument(help="Name of the candidate.")]
Reason = Annotated[str, typer.Option(help="Why; kept in the audit trail.")]


@app.command("list")
def list_(data: Data = DEFAULT_DATA, as_json: AsJson = False) -> None:
    """List candidates, newest first, with what they would have added and missed."""
    from api.shadow_schemas import CandidateOut
    from runtime.output import emit
    from runtime.wiring import using_state

    with using_state(data) as state, state.reading() as tx:
        found = tx.shadow.candidates()
    shown = [
        CandidateOut.of(one).model_dump(mode="json") if as_json else _row(one) for one in found
    ]
    emit({"candidates": shown}, as_json=as_json)


@app.command()
def show(
    name: Name,
    limit: Annotated[int, typer.Option(min=0, max=1_000, help="Most episodes listed.")] = 20,
    data: Data = DEFAULT_DATA,
    as_json: AsJson = False,
) -> None:
    """Show a candidate with its acts and its newest episodes."""
    from api import candidates
    from api.shadow_schemas import CandidateDetailOut, EpisodeOut
    from domain.ports import EpisodeQuery
    from runtime.output import emit
    from runtime.wiring import using_state

    with using_state(data) as state, state.reading() as tx:
        candidate = candidates.found(tx, name)
        acts = tx.shadow.acts(candidate=name)
        episodes = tx.shadow.episodes(EpisodeQuery(candidate=name, limit=limit))
    if as_json:
        report = CandidateDetailOut.detailed(candidate, acts).model_dump(mode="json")
        report["episodes"] = [EpisodeOut.of(one).model_dump(mode="json") for one in episodes]
        emit(report, as_json=True)
        return
    emit(_shown(candidate, acts, episodes), as_json=False)


@app.command()
def start(
    name: Name,
    reason: Reason,
    parameter: Annotated[
        list[str] | None,
        typer.Option("--set", help="DETECTOR.PARAMETER=VALUE; may be given again."),
    ] = None,
    detector: Annotated[
        list[str] | None,
        typer.Option(help="Compare a detector as it is, such as one that is held back."),
    ] = None,
    data: Data = DEFAULT_DATA,
    as_json: AsJson = False,
) -> None:
    """Let a detector or threshold run on live data without raising incidents."""
    from api import candidates

    parameters = _parameters(parameter or [], detector or [])
    _do(candidates.start, data, name, parameters, reason=reason, as_json=as_json)


@app.command()
def stop(
    name: Name,
    reason: Reason = "",
    data: Data = DEFAULT_DATA,
    as_json: AsJson = False,
) -> None:
    """Let a candidate run no longer; what it found stays."""
    from api import candidates

    _do(candidates.stop, data, name, reason=reason, as_json=as_json)


@app.command()
def promote(name: Name, reason: Reason, data: Data = DEFAULT_DATA, as_json: AsJson = False) -> None:
    """Make a candidate's parameters live, without a restart; they win over the configuration."""
    from api import candidates

    _do(candidates.promote, data, name, reason=reason, as_json=as_json)


@app.command()
def revert(name: Name, reason: Reason, data: Data = DEFAULT_DATA, as_json: AsJson = False) -> None:
    """Take a promotion back."""
    from api import candidates

    _do(candidates.revert, data, name, reason=reason, as_json=as_json)


def _do(
    act: "Callable[..., Candidate]",
    data: "Path",
    name: str,
    *arguments: object,
    reason: str,
    as_json: bool,
) -> None:
    import getpass
    import time

    from api.shadow_schemas import CandidateOut
    from runtime.output import emit
    from runtime.wiring import using_state

    actor = f"cli:{getpass.getuser()}"
    with using_state(data) as state, state.writing() as tx:
        candidate = act(tx, name, *arguments, actor=actor, reason=reason, now_ns=time.time_ns())
    if as_json:
        emit(CandidateOut.of(candidate).model_dump(mode="json"), as_json=True)
    else:
        emit({"name": candidate.name, "state": candidate.state.value}, as_json=False)


def _parameters(
    settings: "Sequence[str]", detectors: "Sequence[str]"
) -> dict[str, dict[str, float]]:
    from domain.errors import UsageError

    parameters: dict[str, dict[str, float]] = {name: {} for name in detectors}
    for text in settings:
        word, _, value = text.partition("=")
        table, _, parameter = word.removeprefix("detectors.").partition(".")
        try:
            parameters.setdefault(table, {})[parameter] = float(value)
        except ValueError as error:
            raise UsageError(f"--set {text}: not DETECTOR.PARAMETER=NUMBER") from error
    return parameters


def _row(candidate: "Candidate") -> dict[str, Any]:
    """One line of the listing; a candidate that has not run yet has no figures."""
    from domain.instants import to_iso

    tallies = candidate.totals.tallies
    sides = ("added", "missed", "both")
    return {
        "candidate": candidate.name,
        "state": candidate.state.value,
        **{
            side: sum(getattr(tally, side) for tally in tallies) if tallies else "unknown"
            for side in sides
        },
        "started": to_iso(candidate.started_at_ns),
        "reason": candidate.reason,
    }


def _figures(candidate: "Candidate") -> list[dict[str, Any]]:
    """One line a kind of incident, with rates a device-day and their 95 % intervals."""
    from api.shadow_schemas import CandidateOut

    return [
        {
            "kind": f"{one.equipment_kind} {one.kind}",
            "device_days": f"{one.device_days:.4g}",
            "both": one.both,
            "added": one.added,
            "missed": one.missed,
            "per_day": _rate(one.shadow),
            "live_per_day": _rate(one.live),
        }
        for one in CandidateOut.of(candidate).comparison
    ]


def _rate(rate: Any) -> str:  # noqa: ANN401 - a model of a module that is imported when needed
    if rate.per_device_day is None:
        return "unknown"
    return f"{rate.per_device_day:.3g} ({rate.low:.3g} to {rate.high:.3g})"


def _shown(
    candidate: "Candidate", acts: "Sequence[Act]", episodes: "Sequence[Episode]"
) -> dict[str, Any]:
    from domain.instants import to_iso

    return {
        "name": candidate.name,
        "state": candidate.state.value,
        "reason": candidate.reason,
        "parameters": dict(candidate.parameters),
        "comparison": _figures(candidate),
        "acts": [
            {
                "at": to_iso(act.at_ns),
                "act": act.kind.value,
                "actor": act.actor,
                "reason": act.reason,
                "in_force": "not yet" if act.position is None else act.position,
            }
            for act in acts
        ],
        "episodes": [
            {
                "equipment": one.equipment_id,
                "kind": one.kind.value,
                "outcome": one.outcome.value,
                "onset": to_iso(one.onset_ns),
                "candidate": _claim(one.shadow),
                "live": _claim(one.live),
            }
            for one in episodes
        ],
    }


def _claim(claim: "Claim | None") -> str:
    from domain.instants import to_iso

    return "nothing" if claim is None else f"{claim.level} {to_iso(claim.detected_at_ns)}"
