"""The command line: reads arguments, calls the package, prints, and sets the exit code.

Owns no work of its own. Heavy imports stand inside the commands, so that help is quick.
"""

# ruff: noqa: PLC0415 - a command imports what it needs, so that help is quick
from __future__ import annotations

import json
import signal
import sys
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self

import typer

from workbench.errors import ParameterError, WorkbenchError, did_you_mean, problem

if TYPE_CHECKING:
    import pandas as pd

    from workbench.run import progress

EXIT_INTERRUPTED = 143
_CLICK_INTERRUPTED = 130

app = typer.Typer(
    name="workbench",
    help="The workbench for event-triggered offers.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
runs_app = typer.Typer(no_args_is_help=True, help="Look at earlier runs.", rich_markup_mode=None)
app.add_typer(runs_app, name="runs")

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output.")]
Traceback = Annotated[
    bool, typer.Option("--traceback", help="Show the traceback of an unexpected error.")
]


@app.callback()
def _options(*, traceback: Traceback = False) -> None:
    """The workbench for event-triggered offers: run notebooks, ingest logs, replay programmes."""
    del traceback  # read by main() from the arguments, also when parsing fails


@app.command()
def run(
    file: Annotated[Path, typer.Argument(help="A run file, such as params/runs/demo.yaml.")],
    *,
    force: Annotated[bool, typer.Option("--force", help="Also run what is up to date.")] = False,
    only: Annotated[str, typer.Option(help="Run this step alone.")] = "",
    workers: Annotated[int, typer.Option(help="Notebooks at a time; 0: as the file says.")] = 0,
    out: Annotated[str, typer.Option(help="The run folder; by default runs/<name>.")] = "",
    as_json: Json = False,
) -> None:
    """Check a whole run, execute its notebooks, and make their pages.

    Exit codes: 0 done or up to date, 1 a cell failed, 64 bad parameters, 65 bad input, 75 locked,
    124 out of time, 138 the kernel died, 143 interrupted.
    """
    from workbench.run import execute, paths, plan
    from workbench.run import progress as progress_

    shown: progress.Display = progress_.display(sys.stderr)
    planned = plan.plan_run(file, out=out, only=only.removesuffix(".ipynb"), workers=workers)
    result = execute.run(planned, force=force, display=shown)
    if result.text:
        _tell(result.text)
    if as_json:
        _print_json(result.manifest)
    elif result.index is not None and result.exit_code == 0:
        _print(f"Open {paths.relative_to_here(result.index)}")
    elif result.exit_code == 0:
        _print(f"{planned.name}: {result.status.replace('_', ' ')}")
    if result.exit_code:
        raise typer.Exit(result.exit_code)


@app.command()
def ingest(
    source: Annotated[str, typer.Argument(help="A file or folder, or the name of shipped data.")],
    *,
    mapping: Annotated[str, typer.Option(help="The name of a shipped mapping, or a file.")],
    out: Annotated[Path, typer.Option(help="The folder of the stored log.")],
    parts: Annotated[int, typer.Option(help="Number of parts that persons are split into.")] = 8,
    as_json: Json = False,
) -> None:
    """Read events through a mapping into a stored log; nothing is lost."""
    from workbench import log

    with _Counter("rows") as rows:
        report = log.ingest(source, mapping, out, parts=parts, progress=rows)
    if as_json:
        _print_json(report.as_json())
    else:
        _print(f"The log was up to date. {report.text}" if report.up_to_date else report.text)
        if report.quarantined:
            _print(f'See each row set apart, with its reason: wb.open_log("{out}").quarantine()')


@app.command()
def replay(
    log_folder: Annotated[Path, typer.Argument(metavar="LOG", help="The folder of a stored log.")],
    *,
    programme: Annotated[
        list[Path], typer.Option(help="A programme file or a folder of them; may be repeated.")
    ],
    out: Annotated[Path, typer.Option(help="The folder of the decision log.")],
    candidates: Annotated[
        bool, typer.Option("--candidates", help="Also store every offer that was considered.")
    ] = False,
    until: Annotated[
        str, typer.Option(help="Stop before this instant, such as 2017-07-01T00:00:00Z.")
    ] = "",
    resume: Annotated[
        Path | None, typer.Option(help="Go on from the state of this earlier decision log.")
    ] = None,
    workers: Annotated[int, typer.Option(help="Parts at a time; 0: one a processor.")] = 0,
    as_json: Json = False,
) -> None:
    """Replay a log through programmes: who would have got what, and who was refused and why."""
    from workbench import log
    from workbench.decision import load_programmes
    from workbench.replay import replay as replay_log

    if resume is not None and resume.resolve() == out.resolve():
        raise ParameterError(
            f"--out {out} must be another folder than --resume, whose decisions it would replace"
        )
    opened = log.open_log(log_folder)
    with _Counter("pieces") as done:
        result = replay_log(
            opened,
            load_programmes(programme, log=opened),
            out=out,
            until=_instant(until) if until else None,
            state=resume,
            candidates=candidates,
            workers=workers or None,
            progress=done,
        )
    for name, missing in zip(
        result.programmes["programme"], result.programmes["missing"], strict=True
    ):
        if missing:
            _tell(f"{name} is idle or partly so: {missing}")
    if as_json:
        _print_json(
            {
                "events": result.events,
                "persons_reached": result.persons_reached,
                "committed_cost_cents": result.committed_cost_cents,
                "digest": result.digest,
                "programmes": _records(result.programmes),
                "budgets": _records(result.budgets),
                "funnel": _records(result.table),
            }
        )
    else:
        _print(result.text)


@app.command()
def diff(
    first: Annotated[
        Path, typer.Argument(metavar="FOLDER_A", help="The decision log to compare with.")
    ],
    second: Annotated[
        Path, typer.Argument(metavar="FOLDER_B", help="The decision log of the other programmes.")
    ],
    *,
    as_json: Json = False,
) -> None:
    """Compare two decision logs of one log: what the second programmes change."""
    from workbench.replay import diff as compare
    from workbench.replay import open_replay

    compared = compare(open_replay(first), open_replay(second))
    if as_json:
        _print_json(
            {
                "text": compared.text,
                "programmes": _records(compared.table),
                "decisions": _records(compared.decisions),
                "by_reason": _records(compared.by_reason),
                "by_stage": _records(compared.by_stage),
            }
        )
        return
    _print(compared.text)
    _print("")
    columns = [
        "programme",
        "differing",
        *(each.format(side) for each in _COMPARED for side in "ab"),
    ]
    shown = compared.table[columns].astype("object").fillna("")
    _print_rows([tuple(columns), *shown.to_numpy().tolist()])


_COMPARED = ("triggers_{}", "delivered_{}", "persons_reached_{}", "promised_{}_cents")
"""What ``diff`` prints of both replays, as its table names it."""


@app.command()
def sweep(
    log_folder: Annotated[Path, typer.Argument(metavar="LOG", help="The folder of a stored log.")],
    *,
    programme: Annotated[
        list[Path],
        typer.Option(
            help="A programme file or a folder of them; may be repeated: with --key all are one "
            "set, without it each is a set of its own."
        ),
    ],
    key: Annotated[
        str, typer.Option(help="The key that varies, such as lunch_basket.limits.caps.0.count.")
    ] = "",
    values: Annotated[str, typer.Option(help="Its values, such as '1, 2, 3'.")] = "",
    workers: Annotated[int, typer.Option(help="Parts at a time; 0: one a processor.")] = 0,
    as_json: Json = False,
) -> None:
    """Replay a log under several programme sets and compare what they send, reach and cost."""
    from workbench import log
    from workbench.decision import load_programmes
    from workbench.replay import sweep as sweep_log
    from workbench.replay import vary

    if bool(key) != bool(values):
        raise ParameterError("--key and --values go together: which key varies, and its values")
    opened = log.open_log(log_folder)
    if key:
        sets = vary(load_programmes(programme, log=opened), key, values)
    else:
        sets = {str(each): load_programmes(each, log=opened) for each in programme}
    with _Counter("pieces") as done:
        result = sweep_log(opened, sets, workers=workers or None, progress=done)
    if as_json:
        _print_json({"sets": _records(result.table), "programmes": _records(result.programmes)})
    else:
        _print(result.text)
        _print(result.table.to_string(index=False, na_rep=""))


@app.command()
def explain(
    decisions: Annotated[Path, typer.Argument(help="The folder of a decision log.")],
    customer: Annotated[str, typer.Argument(help="A person id, or a customer id of the log.")],
    *,
    log_folder: Annotated[
        Path, typer.Option("--log", help="The folder of the stored log that was replayed.")
    ],
    at: Annotated[
        str, typer.Option(help="An instant with a zone, or a decision_id; default: the last set.")
    ] = "",
    programme: Annotated[str, typer.Option(help="Look at this programme alone.")] = "",
    as_json: Json = False,
) -> None:
    """Explain one decision of a customer: what was compared, and what would have changed it."""
    from workbench import log
    from workbench.replay import explain as explain_customer
    from workbench.replay import open_replay

    replayed = open_replay(decisions, log=log.open_log(log_folder))
    told = explain_customer(replayed, customer, at=at or None, programme=programme or None)
    if as_json:
        names = ("table", "decisions", "candidates", "state", "open", "changes")
        frames = {name: _records(getattr(told, name)) for name in names}
        _print_json({"customer": told.customer, "text": told.text, **frames})
        return
    _print(told.text)
    columns = ["programme", "offer_id", "stage", "test", "value", "limit"]
    rows = told.table[columns].fillna("").to_numpy().tolist()
    marks = [_PASSED.get(each, "") for each in told.table["passed"].astype("object")]
    _print("")
    _print_rows(
        [(*columns, "passed"), *((*row, mark) for row, mark in zip(rows, marks, strict=True))]
    )
    if len(told.changes):
        shown = told.changes[["programme", "kind", "key", "was", "would_be"]]
        _print("")
        _print_rows([tuple(shown.columns), *shown.to_numpy().tolist()])


_PASSED = {True: "yes", False: "no"}


def _instant(text: str) -> datetime:
    """Read an instant with a zone.

    Raises:
        ParameterError: It is none, or has no zone.
    """
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        instant = None
    if instant is None or instant.tzinfo is None:
        raise ParameterError(
            problem("--until", text, "must be an instant with a zone, such as 2017-07-01T00:00:00Z")
        )
    return instant


@app.command()
def export(
    run_folder: Annotated[Path, typer.Argument(help="A run folder, such as runs/demo.")],
) -> None:
    """Make the pages and the index of a run again."""
    from workbench.report import pages
    from workbench.run import execute, manifest, paths

    told = manifest.read_run(run_folder)
    for step in told["steps"]:
        folder = execute.step_folder(run_folder, step["name"])
        executed = folder / "executed.ipynb"
        known = manifest.read(folder / "manifest.json")
        if known is None or not executed.is_file():
            _tell(f"{step['name']} has no executed notebook: no page")
            continue
        pages.export_page(executed, folder / execute.PAGE, manifest=known)
    index = pages.export_index(run_folder)
    _print(f"Open {paths.relative_to_here(index)}")


@app.command()
def normalise(
    notebooks: Annotated[list[Path], typer.Argument(help="Notebooks, rewritten in place.")],
    *,
    check: Annotated[
        bool, typer.Option("--check", help="Change nothing; fail if it would.")
    ] = False,
    execute: Annotated[bool, typer.Option("--run", help="Execute each one first.")] = False,
) -> None:
    """Bring notebooks into the committed form: the same run gives the same bytes."""
    from workbench.run import normalise as form

    changed = [path for path in notebooks if form.normalise_file(path, check=check, run=execute)]
    for path in changed:
        _print(f"{path.as_posix()} {'is not normalised' if check else 'normalised'}")
    if check and changed:
        names = " ".join(path.as_posix() for path in changed)
        raise WorkbenchError(f"not normalised; run: workbench normalise {names}")


@app.command()
def params(
    notebook: Annotated[str, typer.Argument(help="A notebook, such as 20_profile_customers.")],
    *,
    as_json: Json = False,
) -> None:
    """Show the parameters of a notebook: type, default, limits, meaning."""
    from workbench.run.parameters import model_of

    name = Path(notebook).name.removesuffix(".ipynb")
    model = model_of(name)
    schema = model.model_json_schema()
    if as_json:
        _print_json(schema)
        return
    roles = model.roles()
    rows = [("parameter", "type", "default", "rule", "meaning")]
    for field, about in schema["properties"].items():
        rules = {key: about[key] for key in _RULES if key in about}
        words = ", ".join(f"{_RULES[key]} {value}" for key, value in rules.items())
        kind = {"input": "input path", "output": "output path", "name_or_path": "name or path"}
        rows.append(
            (
                field,
                kind.get(roles.get(field, ""), about.get("type", "")),
                json.dumps(about.get("default", "")),
                "" if field in roles else words,
                about.get("description", ""),
            )
        )
    _print_rows(rows)


_RULES = {
    "minimum": "at least",
    "exclusiveMinimum": "above",
    "maximum": "at most",
    "exclusiveMaximum": "below",
    "minLength": "characters, at least",
    "maxLength": "characters, at most",
    "pattern": "pattern",
    "enum": "one of",
}


@runs_app.command("list")
def runs_list(*, as_json: Json = False) -> None:
    """List the runs of the project with their status."""
    from workbench.run import manifest, paths

    found = [
        told
        for file in sorted((paths.root() / "runs").glob("*/manifest.json"))
        if (told := manifest.read(file)) is not None and told["kind"] == "run"
    ]
    if as_json:
        _print_json({"runs": found})
        return
    for told in found:
        _print(
            f"{told['run']:<24}  {told['status']:<12}  {told['ended_at']}  "
            f"{told['duration_s']:>8.0f} s  {len(told['steps'])} notebooks"
        )


class _Counter:
    """Shows progress on standard error: a bar on a terminal, a line now and then elsewhere.

    It is called with what is done and what there is in all.
    """

    _EVERY_S = 2.0

    def __init__(self, label: str) -> None:
        self._label = label
        self._told = 0.0
        self._open = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._open:
            sys.stderr.write("\n")

    def __call__(self, done: float, total: float | None = None) -> None:
        """Show how far the work is."""
        now = time.monotonic()
        terminal = sys.stderr.isatty()
        if now - self._told < (0.1 if terminal else self._EVERY_S):
            return
        self._told = now
        part = f" of {total:,.0f} ({done / total:.0%})" if total else ""
        text = f"{self._label}: {done:,.0f}{part}"
        sys.stderr.write(f"\r\x1b[K{text}" if terminal else f"{text}\n")
        sys.stderr.flush()
        self._open = terminal


def main() -> None:
    """Run the command line; every error is one clear line and an exit code."""
    for number in (signal.SIGTERM, signal.SIGHUP):  # end as by Ctrl-C: nothing is left half-written
        signal.signal(number, signal.default_int_handler)
    sys.exit(run_command(sys.argv[1:]))


def run_command(arguments: list[str]) -> int:
    """Run one command and return its exit code."""
    shown = [each for each in arguments if each != "--traceback"] or ["--help"]
    try:
        ended = app(shown, standalone_mode=False)
    except typer.Exit as end:
        ended = end.exit_code
    except (KeyboardInterrupt, typer.Abort):
        ended = _CLICK_INTERRUPTED
    except BrokenPipeError:
        return 0
    except Exception as error:  # the last door: a person sees a line, not a traceback
        if "--traceback" in arguments:
            raise
        return _tell_error(error)
    if ended == _CLICK_INTERRUPTED:
        _tell("error: interrupted")
        return EXIT_INTERRUPTED
    return ended if isinstance(ended, int) else 0


def _tell_error(error: Exception) -> int:
    """Print an error as one line and return its exit code."""
    if isinstance(error, WorkbenchError):
        _tell(f"error: {error}")
        return error.exit_code
    if isinstance(error, OSError) and error.strerror:
        name = error.filename if isinstance(error.filename, str) else ""
        place = f" at {Path(name)}" if name else ""
        _tell(f"error: {error.strerror}{place}; nothing is half-written, what was there is kept")
        return 1
    usage = _usage_text(error)
    if usage is not None:
        _tell(f"error: {usage}")
        return ParameterError.exit_code
    reason = " ".join(str(error).split()) or "no message"
    _tell(f"error: {type(error).__name__}: {reason} (add --traceback to see where)")
    return 1


def _usage_text(error: Exception) -> str | None:
    """Return the text of an error in the arguments themselves, or None for another error."""
    if not isinstance(error, typer.BadParameter.__mro__[1]):
        return None
    text = str(getattr(error, "format_message", lambda: str(error))())
    word = getattr(error, "option_name", None)
    known = getattr(error, "possibilities", None)
    hint = did_you_mean(word, known) if isinstance(word, str) and known else ""
    return f"{text.rstrip('.')}{hint}; see workbench --help"


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows of a table as JSON has them; what is not known is null."""
    rows: list[dict[str, Any]] = json.loads(frame.to_json(orient="records", date_format="iso"))
    return rows


def _print_rows(rows: Sequence[Sequence[object]]) -> None:
    """Print rows below each other, each column as wide as its widest cell."""
    cells = [[str(cell) for cell in row] for row in rows]
    widths = [max(len(row[column]) for row in cells) for column in range(len(cells[0]))]
    for row in cells:
        _print(
            "  ".join(f"{text:<{width}}" for text, width in zip(row, widths, strict=True)).rstrip()
        )


def _print(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _print_json(value: object) -> None:
    _print(json.dumps(value, ensure_ascii=False, allow_nan=False))


def _tell(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()
