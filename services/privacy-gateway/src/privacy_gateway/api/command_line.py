"""`privacy-gateway policy …`: the policy for those who write, review and ask about it; and
`privacy-gateway audit …`, for who owns the store of records.

Nothing here starts the gateway. What is about the policy works from the files alone.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import orjson

from privacy_gateway.api import closing_command, due_line, key_commands
from privacy_gateway.domain.contracts.locating import line_of
from privacy_gateway.domain.contracts.offer import Offer
from privacy_gateway.domain.passage.contracts import Contracts, load_documents
from privacy_gateway.domain.passage.yields import YieldAsked, yields
from privacy_gateway.domain.policy import Gap, Policy, PolicyGap, load, matrix, places
from privacy_gateway.domain.policy.difference import difference
from privacy_gateway.domain.policy.in_force import in_force, load_folder
from privacy_gateway.domain.policy.schema import schema

FOLDER = Path("services/privacy-gateway/policy")
SCHEMA = "policy.schema.json"
_SIGNS = {"more": "+", "less": "-", "other": " "}


def main(arguments: Sequence[str] | None = None) -> int:
    asked = _parser().parse_args(arguments)
    answer: Callable[[argparse.Namespace], int] = asked.answer
    try:
        return answer(asked)
    except PolicyGap as gap:
        for line in gap.gaps:
            sys.stderr.write(f"{line}\n")
        return 1
    except OSError as exc:
        sys.stderr.write(f"{exc.filename}: {exc.strerror}\n" if exc.filename else f"{exc}\n")
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="privacy-gateway", description=__doc__)
    areas = parser.add_subparsers(required=True, metavar="area")
    due_line.add_to(areas.add_parser("retention", help="what goes when, and why"), FOLDER)
    closing_command.add_to(areas)
    key_commands.add_to(areas)
    policy = areas.add_parser("policy", help="check, compare and read policy files")
    policy.add_argument("--policy", type=Path, default=FOLDER, help="a file, or a folder of them")
    policy.add_argument(
        "--contract",
        type=Path,
        action="append",
        help="a service's OpenAPI document, in the service's folder; all of services/ if not said",
    )
    policy.add_argument("--no-contracts", action="store_true", help="the policy by itself")
    commands = policy.add_subparsers(required=True, metavar="command")

    check = commands.add_parser("check", help="every gap and contradiction, by line")
    check.set_defaults(answer=_check)

    diff = commands.add_parser("diff", help="what changes from A to B, in plain words")
    diff.add_argument("earlier", metavar="A", help="a version, or a file")
    diff.add_argument("later", metavar="B", help="a version, or a file")
    diff.set_defaults(answer=_diff)

    explain = commands.add_parser("explain", help="what a role gets of a resource for a purpose")
    explain.add_argument("role", metavar="ROLE")
    explain.add_argument("purpose", metavar="PURPOSE")
    explain.add_argument("resource", metavar="RESOURCE", help="a path, or a kind such as order")
    explain.add_argument("--method", default="GET")
    explain.set_defaults(answer=_explain)

    table = commands.add_parser("matrix", help="who gets what for which purpose")
    table.add_argument("--html", action="store_true")
    table.set_defaults(answer=_matrix)

    shape = commands.add_parser("schema", help="the JSON Schema of policy files, for editors")
    shape.set_defaults(answer=_schema)
    return parser


def _check(asked: argparse.Namespace) -> int:
    """All versions by themselves; those in force or to come also against the contracts."""
    files = load_folder(asked.policy) if asked.policy.is_dir() else [load(asked.policy)]
    now = datetime.now(UTC)
    if asked.policy.is_dir():
        first = in_force(files, now=now).in_force_from
        files = [file for file in files if file.in_force_from >= first]
    gaps: list[Gap] = []
    documents = _documents(asked)
    if documents:
        offer = _offer(documents)
        for file in files:
            try:
                Contracts(offer, Policy(file))
            except PolicyGap as gap:
                gaps += [_placed(each, documents, _path(asked, file.version)) for each in gap.gaps]
    for line in dict.fromkeys(map(str, gaps)):
        sys.stderr.write(f"{line}\n")
    if not gaps:
        named = ", ".join(file.version for file in files)
        count = len(documents)
        sys.stdout.write(f"no gap: {named}, with {count} contract{'' if count == 1 else 's'}\n")
    return 1 if gaps else 0


def _diff(asked: argparse.Namespace) -> int:
    old, new = _version(asked, asked.earlier), _version(asked, asked.later)
    changes = difference(old, new)
    for change in changes:
        sys.stdout.write(f"{_SIGNS[change.direction]} {change.says}\n")
    if not changes:
        sys.stdout.write("nothing changes\n")
    return 0


def _explain(asked: argparse.Namespace) -> int:
    """Exits 1 when nothing is given."""
    contracts = Contracts(_offer(_documents(asked)), _current(asked))
    question = YieldAsked(asked.role, asked.purpose, asked.resource, asked.method)
    found = yields(contracts, question)
    if not found:
        sys.stderr.write(f"no service offers {asked.method} {asked.resource}\n")
    for each in found:
        sys.stdout.write(f"{each.route}\n")
        if each.refusal is not None:
            sys.stdout.write(f"  nothing: {each.refusal.reason}; {each.refusal.how}\n")
        for field in each.fields:
            tail = f"  {field.why.how}" if field.why else ""
            sys.stdout.write(f"  {field.name:<28}{field.label:<28}{field.action.value}{tail}\n")
    return 0 if any(each.refusal is None for each in found) else 1


def _matrix(asked: argparse.Namespace) -> int:
    policy = _current(asked)
    sys.stdout.write(matrix.html(policy) if asked.html else matrix.text(policy))
    return 0


def _schema(asked: argparse.Namespace) -> int:
    sys.stdout.write(orjson.dumps(schema(), option=orjson.OPT_INDENT_2).decode() + "\n")
    return 0


def _current(asked: argparse.Namespace) -> Policy:
    if asked.policy.is_dir():
        return Policy(in_force(load_folder(asked.policy), now=datetime.now(UTC)))
    return Policy(load(asked.policy))


def _version(asked: argparse.Namespace, named: str) -> Policy:
    path = Path(named)
    return Policy(load(path if path.is_file() else _path(asked, named)))


def _path(asked: argparse.Namespace, version: str) -> Path:
    """A version's file; in a folder, the one that is named for it."""
    folder: Path = asked.policy
    return folder / f"{version}.yaml" if folder.is_dir() else folder


def _documents(asked: argparse.Namespace) -> dict[str, Path]:
    """By service, whose folder holds it."""
    if asked.no_contracts:
        return {}
    paths: list[Path] | None = asked.contract
    if paths is None:
        paths = sorted(Path("services").glob("*/openapi.json"))
    return {path.resolve().parent.name: path for path in paths}


def _offer(documents: dict[str, Path]) -> Offer:
    return Offer(load_documents(documents))


def _placed(gap: Gap, documents: dict[str, Path], policy: Path) -> Gap:
    """With file and line: those of the contract, or those of the policy."""
    contract = documents.get(str(gap.place[0])) if gap.place else None
    if contract is not None:
        found = places.read(contract.read_text())
        return gap._replace(file=str(contract), line=line_of(found, gap))
    if policy.is_file():
        return gap._replace(file=policy.name, line=places.read(policy.read_text()).line(gap.place))
    return gap
