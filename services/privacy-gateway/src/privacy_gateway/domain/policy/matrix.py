"""Who gets what for which purpose: a table that a data protection officer can read."""

from collections.abc import Iterator
from html import escape

from privacy_gateway.domain.policy import words
from privacy_gateway.domain.policy.actions import Action
from privacy_gateway.domain.policy.engine import Policy
from privacy_gateway.domain.policy.file import NOT_PERSONAL

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem }
table { border-collapse: collapse; margin: 0 0 .5rem }
th, td { border: 1px solid #999; padding: .2rem .6rem; text-align: left }
thead th { background: #eee }
.reveal { background: #fde3d3 } .mask, .generalise { background: #fdf6cf }
.carry { background: #e0ecfa } .withhold { color: #666 }
"""


def text(policy: Policy) -> str:
    lines = [f"Policy {policy.version}, in force from {policy.file.in_force_from.isoformat()}"]
    for purpose, roles in _blocks(policy):
        lines += ["", _heading(policy, purpose)]
        if not roles:
            lines.append(f"  {_nobody(policy, purpose)}")
            continue
        shown = _shown(policy, purpose, roles)
        width = max(len(words.label(policy.file, c)) for c in [*shown, NOT_PERSONAL]) + 2
        columns = [max(len(role), 17) + 2 for role in roles]
        head = "".join(role.ljust(n) for role, n in zip(roles, columns, strict=True))
        lines.append(f"  {'':<{width}}{head}".rstrip())
        for category in shown:
            cells = [words.SEEN[_action(policy, purpose, role, category)] for role in roles]
            row = "".join(cell.ljust(n) for cell, n in zip(cells, columns, strict=True))
            lines.append(f"  {words.label(policy.file, category):<{width}}{row}".rstrip())
        lines.append("  anything else: not at all")
    return "\n".join(lines) + "\n"


def html(policy: Policy) -> str:
    parts = [
        f'<!doctype html>\n<html lang="en"><meta charset="utf-8"><title>Policy {policy.version}'
        f"</title><style>{_STYLE}</style>\n<h1>Who gets what: policy {policy.version}</h1>\n"
        f"<p>In force from {policy.file.in_force_from.isoformat()}. SHA-256 of the file:"
        f" <code>{policy.hash}</code></p>"
    ]
    for purpose, roles in _blocks(policy):
        parts.append(f"<h2>{escape(purpose)}</h2>\n<p>{escape(_heading(policy, purpose))}</p>")
        if not roles:
            parts.append(f"<p><strong>{escape(_nobody(policy, purpose))}</strong></p>")
            continue
        head = "".join(f'<th scope="col">{escape(role)}</th>' for role in roles)
        rows = [_row(policy, purpose, roles, c) for c in _shown(policy, purpose, roles)]
        parts.append(
            f'<table><thead><tr><th scope="col">data</th>{head}</tr></thead>\n'
            f"<tbody>{''.join(rows)}</tbody></table>\n<p>Anything else: not at all.</p>"
        )
    return "\n".join(parts) + "\n</html>\n"


def _row(policy: Policy, purpose: str, roles: list[str], category: str) -> str:
    cells = []
    for role in roles:
        action = _action(policy, purpose, role, category)
        cells.append(f'<td class="{action.value}">{words.SEEN[action]}</td>')
    named = escape(words.label(policy.file, category))
    return f'<tr><th scope="row" title="{category}">{named}</th>{"".join(cells)}</tr>\n'


def _blocks(policy: Policy) -> Iterator[tuple[str, list[str]]]:
    for purpose in policy.file.purposes:
        yield purpose, [role for role in policy.file.roles if policy.may(role, purpose)]


def _shown(policy: Policy, purpose: str, roles: list[str]) -> list[str]:
    return [
        category
        for category in policy.file.categories
        if any(category in policy.table(role, purpose) for role in roles)
    ]


def _action(policy: Policy, purpose: str, role: str, category: str) -> Action:
    return policy.table(role, purpose).get(category, Action.WITHHOLD)


def _heading(policy: Policy, purpose: str) -> str:
    known = policy.file.purposes[purpose]
    said = [known.basis.replace("_", " "), ", ".join(known.clauses), known.dpv]
    if known.inherits:
        said.append(f"part of {known.inherits}")
    if known.work:
        said.append(f"work: {', '.join(known.work)}")
    if known.cases:
        said.append(f"cases: {', '.join(known.cases)}")
    consents = policy.consents(purpose)
    if consents:
        said.append(f"only with consent to {', '.join(consents)}")
    return f"{purpose}: {known.label} ({'; '.join(said)})"


def _nobody(policy: Policy, purpose: str) -> str:
    how = "forbidden" if policy.forbidden(purpose) else "granted to nobody"
    return f"{how}: yields nothing, to anyone"
