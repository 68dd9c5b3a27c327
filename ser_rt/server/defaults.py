"""Settings of streams that set none themselves: flags of ``ser-serve``, as ser-tune writes them."""

from __future__ import annotations

import argparse
from dataclasses import replace

from ser_rt.cli.profile_flags import add_profile_flags
from ser_rt.profiles import FLAGS, Profile, profile_of


def add_default_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `default_profile`."""
    group = parser.add_argument_group("streams that set nothing themselves")
    group.add_argument(
        "--profile",
        metavar="NAME",
        help="settings that the model has under this name (default); flags win",
    )
    add_profile_flags(group)


def default_profile(flags: argparse.Namespace) -> str | Profile | None:
    """Return the profile for `load`: the one that is named, changed by the flags that are given.

    Raises:
        BundleError: The model is missing or invalid.
        ConfigError: It has no such profile, or a setting is out of range.
    """
    named: str | None = flags.profile
    values = {name: getattr(flags, flag.replace("-", "_")) for name, flag in FLAGS.items()}
    given = {name: value for name, value in values.items() if value is not None}
    if not given:
        return named
    from ser_rt.bundle import Bundle, find_bundle

    return replace(profile_of(Bundle.load(find_bundle(flags.model)), named), **given)
