"""`rekindle doctor`."""

import sys
from dataclasses import asdict

import click

from sdk.rekindle.cli.door import door, json_option, out, plain, show_json
from sdk.rekindle.doctor import examine
from sdk.rekindle.places import find_place


@click.command(short_help="Look at each part, and how to mend it.")
@json_option
@door
async def doctor(*, as_json: bool) -> None:
    """Look at each part and say how to mend what is broken (then the exit code is 1).

    \b
      rekindle doctor
      rekindle doctor --json | jq '.parts[] | select(.well | not)'
    """  # noqa: D301
    findings = await examine(find_place())
    well = all(finding.well for finding in findings)
    if as_json:
        show_json({"well": well, "parts": [asdict(finding) for finding in findings]})
    else:
        for finding in findings:
            sign = "[green]✓[/green]" if finding.well else "[red]✗[/red]"
            out.print(f"{sign} {finding.part:<11} {plain(finding.seen)}", soft_wrap=True)
            if finding.mend:
                out.print(f"  {'':<11} {plain(finding.mend)}", soft_wrap=True)
    if not well:
        sys.exit(1)
