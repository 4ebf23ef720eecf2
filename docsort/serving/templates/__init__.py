"""What Nginx and TorchServe are configured with; rendered into the run directory."""

from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined


def render(template: str, **values: object) -> str:
    """The text of one of this folder's templates. A value that is missing is an error."""
    loader = PackageLoader("docsort.serving", "templates")
    options: dict[str, Any] = {"trim_blocks": True, "keep_trailing_newline": True}
    # configuration files, not HTML: nothing is to be escaped
    environment = Environment(loader=loader, undefined=StrictUndefined, autoescape=False, **options)
    return environment.get_template(template).render(**values)
