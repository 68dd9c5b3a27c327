"""`style_sheet`: the colours and marks of emotions, as the page's style sheet `palette.css`."""

from __future__ import annotations

from functools import cache

from ser_rt.runtime.palette import PLACES, SAME, SPARE, custom_properties, ink_of


@cache
def style_sheet() -> str:
    """Return rules for ``data-tone``: names in lower case, and ``spare-0`` and so on for others."""
    places = {name: [name] for name in PLACES}
    for name, other in SAME.items():
        places[other].append(name)
    known = [(names, PLACES[name]) for name, names in places.items()]
    spare = [([f"spare-{n}"], place) for n, place in enumerate(SPARE)]
    rules = []
    for names, place in (*known, *spare):
        selector = ", ".join(f'[data-tone="{name}"]' for name in names)
        ink = ink_of(place)
        rules.append(f'{selector} {{ {custom_properties(ink)} --mark: "{ink.sign}"; }}\n')
    return "".join(rules)
