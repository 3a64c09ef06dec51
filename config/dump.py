"""A session as it was run, as a file that can be loaded again."""

import io

from ruamel.yaml import YAML

from rigd.config.session import Session


def dump_session(session: Session) -> str:
    """YAML text of the session, defaults filled in; `load_session` reads it back."""
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.representer.sort_base_mapping_type_on_output = False
    yaml.allow_unicode = True
    text = io.StringIO()
    yaml.dump(session.model_dump(mode="json"), text)
    return text.getvalue()
