"""CURVE keys, by which a service and its clients on other hosts know each other.

<folder>/service.key            public key of the service, for all clients
<folder>/service.key_secret     its secret key, for itself alone
<folder>/clients/NAME.key       public keys of those who may control it
<folder>/NAME.key_secret        secret key of a client: goes to its host
"""

import re
from dataclasses import dataclass
from pathlib import Path

import zmq.auth

SERVICE = "service"

CLIENTS = "clients"
"""Folder of the public keys of clients."""

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


class KeysError(Exception):
    """Keys can't be made or read: which, and what to do."""


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A public key and the secret one that belongs to it, in Z85."""

    public: bytes
    secret: bytes


def make_keys(folder: Path, client: str) -> list[Path]:
    """Make keys for a client, and for the service where it has none yet.

    Returns the files that were made.

    Raises:
        KeysError: The client has keys already, or the folder can't be written.

    """
    if NAME.fullmatch(client) is None or client == SERVICE:
        raise KeysError(
            f"`{client}` can't name a client: letters, digits, `_` and `-`, at most 64"
        )
    clients = folder / CLIENTS
    try:
        clients.mkdir(mode=0o700, parents=True, exist_ok=True)
        if (clients / f"{client}.key").exists():
            raise KeysError(
                f"client `{client}` has a key already, {clients / client}.key; remove "
                "that to shut it out, or choose another name"
            )
        made = [] if (folder / f"{SERVICE}.key").exists() else _make(folder, SERVICE)
        public, secret = _make(folder, client)
        return [*made, public.rename(clients / public.name), secret]
    except OSError as error:
        raise KeysError(f"{folder} can't be written: {error.strerror}") from error


def _make(folder: Path, name: str) -> list[Path]:
    public, secret = map(Path, zmq.auth.create_certificates(folder, name))
    secret.chmod(0o600)
    return [public, secret]


def key_pair(folder: Path, name: str) -> KeyPair:
    """Read the two keys of the service or of a client.

    Raises:
        KeysError: There are none.

    """
    public, secret = _load(folder / f"{name}.key_secret")
    if secret is None:
        raise KeysError(f"{folder / name}.key_secret has no secret key")
    return KeyPair(public, secret)


def public_key(folder: Path) -> bytes:
    """Read the public key of the service.

    Raises:
        KeysError: There is none.

    """
    return _load(folder / f"{SERVICE}.key")[0]


def _load(path: Path) -> tuple[bytes, bytes | None]:
    try:
        return zmq.auth.load_certificate(path)
    except (OSError, ValueError) as error:
        raise KeysError(
            f"there is no usable key in `{path}`; make keys by `rigd keys new DIR`"
        ) from error
