"""Names that become parts of paths and NWB objects, checked once at the edge."""

from typing import Annotated

from pydantic import StringConstraints

StreamName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_]{0,63}$")]
"""A stream, device or probe: a letter, then letters, digits and `_`; at most 64."""

EntityName = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9+-]{0,63}$")
]
"""A subject or session id: letters, digits, `+`, `-`; `_` separates the parts of
the file names (`sub-<subject>_ses-<session>.nwb`), so it is not allowed here."""
