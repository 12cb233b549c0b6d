"""`tautomer env`: environments with other releases of a few packages, to check and to bisect in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from tautomer.cli.flags import FindLinks
from tautomer.cli.streams import write_note, write_result
from tautomer.errors import MisuseError

application = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
MIB = 1 << 20


@application.command("create")
def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Its name.")],
    *,
    requirements: Annotated[
        list[str] | None,
        typer.Option("--with", metavar="REQUIREMENT", help="What pip installs into it; repeat for several."),
    ] = None,
    find_links: FindLinks = None,
) -> Callable[[], int]:
    """Make an environment: the current one, with these packages in the place of its own."""

    def job() -> int:
        from tautomer.execution.environments import BrokenEnvironment, EnvironmentStore

        made = EnvironmentStore().create(name, requirements or (), find_links=find_links)
        if isinstance(made, BrokenEnvironment):
            raise MisuseError("TA186", f"pip cannot make environment '{name}': {made.said}", "Change --with.")
        packages = ", ".join(f"{package} {version}" for package, version in made.packages.items()) or "nothing new"
        write_result(f"{made.name}  {packages}\n")
        write_note(f"interpreter: {made.interpreter}")
        return 0

    return job


@application.command("list")
def list_environments(
    *, json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False
) -> Callable[[], int]:
    """Name the environments, what they hold and what they take."""

    def job() -> int:
        from tautomer.execution.environments import EnvironmentStore

        store = EnvironmentStore()
        found = [one for name in store.names() if (one := store.get(name)) is not None]
        if json:
            import msgspec

            fields = [
                {
                    "name": one.name,
                    "requirements": list(one.requirements),
                    "packages": one.packages,
                    "interpreter": str(one.interpreter),
                    "python": one.python,
                    "created": one.created,
                    "size_bytes": one.size_bytes(),
                }
                for one in found
            ]
            document = {"schema": "tautomer/environments/1", "environments": fields}
            write_result(msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n")
            return 0
        width = max((len(one.name) for one in found), default=0)
        for one in found:
            packages = ", ".join(f"{package} {version}" for package, version in one.packages.items())
            write_result(f"{one.name:{width}}  {one.size_bytes() / MIB:8.1f} MiB  {packages}\n")
        if not found:
            write_note(f"there is no environment in {store.root}")
        return 0

    return job


@application.command("remove")
def remove(
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="Their names.")],
) -> Callable[[], int]:
    """Remove environments."""

    def job() -> int:
        from tautomer.execution.environments import EnvironmentStore

        store = EnvironmentStore()
        for name in names:
            store.remove(name)
            write_note(f"removed: {name}")
        return 0

    return job
