"""Who sees the page: where there are API keys, whoever has one with the scope audit; without any, the machine itself."""

from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from contract.errors import Forbidden, NotFound, RateLimited, ThinkworthError, Unauthorised
from serving.access.door import Door
from serving.access.sessions import COOKIE, SESSION_S, cookie_options
from serving.page import guard
from serving.page.forms import read_form
from serving.page.rendering import Renderer

OPEN = ("/login", "/assets/")
"""Places under the page that are needed to log in."""


class Login:
    """Lets visitors in by their key, which a cookie then stands for."""

    def __init__(self, door: Callable[[], Door] | None, renderer: Renderer) -> None:
        """Take what gives the door of this process; None: there are no keys."""
        self._door, self._renderer = door, renderer

    def visitor(self, request: Request) -> str | None:
        """Return the name of the key that lets a request in; None where it needs none.

        Raises:
            Unauthorised, Forbidden, RateLimited: it is not let in.
        """
        door = self._door() if self._door else None
        if door is None or door.keys is None:
            server = request.scope.get("server")
            client = request.client.host if request.client else None
            guard.refuse_others(client, request.headers, server[1] if server else None)
            return None
        if place_of(request).startswith(OPEN):
            return None
        key = door.visitor(request.scope["headers"], request.cookies.get(COOKIE))
        return key.name if key else None

    async def login(self, request: Request) -> Response:
        """Show the form or, of a form that was sent, begin a session and go on to where the visitor wanted to."""
        door = self._door() if self._door else None
        if door is None or door.keys is None:
            raise NotFound("there is nothing to log in to: this service has no API keys")
        if request.method in ("GET", "HEAD"):
            return self.form(request, "/", None)
        guard.refuse_foreign_form(request.headers, request.url.scheme)
        sent = await read_form(request)
        there = onward(sent.get("next", ""))
        try:
            client = request.client.host if request.client else None
            _, cookie = door.login(sent.get("key", ""), client)
        except (Unauthorised, Forbidden, RateLimited) as error:
            return self.form(request, there, error)
        root = root_of(request)
        back = RedirectResponse(f"{root}{there}", status_code=303)
        options = cookie_options(root, is_https=guard.is_https(request.headers, request.url.scheme))
        back.set_cookie(COOKIE, cookie, max_age=SESSION_S, **options)
        return back

    async def logout(self, request: Request) -> Response:
        """End the session of this browser."""
        guard.refuse_foreign_form(request.headers, request.url.scheme)
        root = root_of(request)
        back = RedirectResponse(f"{root}/login", status_code=303)
        options = cookie_options(root, is_https=guard.is_https(request.headers, request.url.scheme))
        back.delete_cookie(COOKIE, **options)
        return back

    def form(self, request: Request, there: str, error: ThinkworthError | None) -> Response:
        """Return the form as an answer; `there` is where it leads, `error` why an earlier one did not."""
        html = self._renderer.page(
            "login.html", root_of(request), title="Log in", heading="Log in", place=None, there=there, error=error
        )
        status = error.status if error else 200
        # htmx shows no such answer: it is told to load the whole page, which is the form
        return HTMLResponse(html, status, headers={**(error.headers if error else {}), "HX-Refresh": "true"})

    def refused(self, request: Request, error: Unauthorised) -> Response:
        """Return the form for a request that needs a login, with the way back to what was asked for."""
        query = request.url.query
        wanted = place_of(request) + (f"?{query}" if query else "")
        told = None if error.type == Unauthorised.type else error
        answer = self.form(request, onward(wanted) if request.method == "GET" else "/", told)
        answer.status_code = error.status
        answer.headers.update(error.headers)
        return answer


def root_of(request: Request) -> str:
    """Return the place where the page is mounted, without its last slash."""
    return str(request.scope.get("root_path", "")).rstrip("/")


def place_of(request: Request) -> str:
    """Return what is asked for, below the place where the page is mounted."""
    return str(request.scope["path"]).removeprefix(root_of(request)) or "/"


def onward(there: str) -> str:
    """Return a place below the page to go on to; the overview where it is none: never another site."""
    is_ours = there.startswith("/") and not there.startswith("//") and "\\" not in there and there.isprintable()
    return there if is_ours and not there.startswith(("/login", "/logout", "/assets/")) else "/"
