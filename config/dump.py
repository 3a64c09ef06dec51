"""A session as it was run, as a file that can be loaded again."""

import io

from ruamel.yaml import YAML
from ruamel.yaml.nodes import ScalarNode
from ruamel.yaml.representer import SafeRepresenter

from rigd.config.session import Session

_LINE_BREAKS = frozenset("\r\x85\u2028\u2029")
"""Breaks that YAML would read back as `\\n` where they are not escaped."""


_MARKS = frozenset("?:-")
"""Signs that begin a key or an item, and a plain text inside `[...]` only at times."""


class _Representer(SafeRepresenter):
    """Escapes rare line breaks and keeps the order of keys."""

    def __init__(self, *args: object, **settings: object) -> None:
        super().__init__(*args, **settings)
        self.sort_base_mapping_type_on_output = False

    def represent_text(self, text: str) -> ScalarNode:
        """A text, in double quotes where only these keep it as it is."""
        marked = text[:1] in _MARKS or _LINE_BREAKS.intersection(text)
        style = '"' if marked else None
        return self.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Representer.add_representer(str, _Representer.represent_text)


def dump_session(session: Session) -> str:
    """YAML text of the session, defaults filled in; `load_session` reads it back."""
    yaml = YAML(typ="safe", pure=True)
    yaml.Representer = _Representer
    yaml.default_flow_style = None
    yaml.allow_unicode = True
    yaml.width = 4096
    text = io.StringIO()
    yaml.dump(session.model_dump(mode="json"), text)
    return text.getvalue()
