"""What all pages share: templates that escape every value, and how figures are written.

A page runs no script and loads nothing: its content security policy (page.html.j2) forbids both.
"""

from jinja2 import Environment, PackageLoader, StrictUndefined


def html_environment() -> Environment:
    """Templates of docsort/report/templates; a value that is missing is an error."""
    environment = Environment(
        loader=PackageLoader("docsort.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["percent"] = lambda value, digits=1: f"{100 * value:.{digits}f}%"
    environment.filters["points"] = lambda value: f"{100 * value:+.1f}".replace("-", "−")
    environment.filters["count"] = lambda value: f"{value:,}"
    environment.filters["counted"] = lambda counts: ", ".join(
        f"{name} {count:,}" for name, count in counts.items()
    )
    return environment
