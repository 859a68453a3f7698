"""What tests of the door share: keys, and a request as a server hands it on."""

import pytest

from contract.settings import Settings
from serving.access.door import Door
from serving.access.keys import hashed

HOLDERS = {"gateway": "predict,outcomes", "analyst": "audit", "root": "admin", "prometheus": "metrics"}


def key_of(name):
    return f"tw_{name}".ljust(46, "x")


def lines(**more):
    return "\n".join(f"{name} {hashed(key_of(name))} {scopes} {more.get(name, '')}" for name, scopes in HOLDERS.items())


@pytest.fixture
def scope():
    """Makes the ASGI scope of a request; without more, of this machine to itself."""

    def make(path="/predict", *, method="POST", key=None, client="127.0.0.1", server="127.0.0.1", query=b"", **headers):
        pairs = [(b"host", b"127.0.0.1:3000")] if "host" not in headers else []
        pairs += [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
        pairs += [(b"authorization", f"Bearer {key_of(key)}".encode())] if key else []
        return {
            "type": "http", "path": path, "raw_path": path.encode(), "method": method, "query_string": query, "headers": pairs,
            "client": (client, 5), "server": (server, 3000), "scheme": "http",
        }  # fmt: skip

    return make


@pytest.fixture
def door():
    """Makes a door, with keys; the clock stands unless one is given."""
    made = []

    def make(clock=lambda: 0.0, count=None, keyed=True, **settings):
        more = settings.pop("more", {})
        found = Door(Settings(api_keys=lines(**more) if keyed else None, **settings), count=count, clock=clock)
        made.append(found)
        return found

    yield make
    for one in made:
        one.close()
