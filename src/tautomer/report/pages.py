"""How pages are made of templates: everything from outside is escaped and made visible."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tautomer.report import quantities, wording

if TYPE_CHECKING:
    import jinja2


def page_environment() -> jinja2.Environment:
    """An environment of the templates of this package; what is None is shown as absent."""
    import jinja2

    def shown(value: Any) -> Any:
        """Text without what would reorder it; Jinja's own escaped text is left alone."""
        if value is None:
            return quantities.ABSENT
        return wording.visible(value) if type(value) is str else value

    return jinja2.Environment(
        loader=jinja2.PackageLoader("tautomer.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
