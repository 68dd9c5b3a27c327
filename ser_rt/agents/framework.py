"""`check_framework`: whether a plugin was made for the framework that is installed."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, requires, version

from ser_rt.errors import MissingDependencyError
from ser_rt.errors import requires as importing


def check_framework(plugin: str, framework: str) -> None:
    """Compare the version of a framework with what the metadata of a plugin demands.

    Raises:
        MissingDependencyError: The framework has another version, or either is not installed.
    """
    with importing("packaging"):
        from packaging.requirements import Requirement
    try:
        needs = [Requirement(need) for need in requires(plugin) or ()]
        found = version(framework)
    except PackageNotFoundError as error:
        msg = f"{error.name} is not installed: pip install {plugin}"
        raise MissingDependencyError(msg) from error
    for need in needs:
        if need.name == framework and not need.specifier.contains(found, prereleases=True):
            msg = (
                f"{plugin} {version(plugin)} works with {need}, and {framework} {found} is "
                f"installed: pip install '{need}'"
            )
            raise MissingDependencyError(msg)
