"""The page as an ASGI application, to be mounted at /audit: who may come in, what was asked for, and the answer as HTML."""

import logging
from collections.abc import AsyncIterator, Callable, Collection, Iterator
from functools import partial
from typing import Any
from urllib.parse import quote, unquote

import sqlalchemy as sa
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from contract.errors import InternalError, MethodNotAllowed, NotFound, ThinkworthError, Unauthorised
from contract.store.reviews import add_review
from serving.access.door import Door
from serving.page import download, guard, live
from serving.page.asked import Nothing, parse
from serving.page.assets import FOREVER, load_assets
from serving.page.forms import read_form
from serving.page.login import Login
from serving.page.login import root_of as _root
from serving.page.rendering import Renderer, segment
from serving.page.store import QUESTION_S, Store
from serving.page.views import VIEWS, View, one_decision

REVIEWER = "thinkworth_reviewer"
REMEMBERED_S = 180 * 24 * 3600

LISTS = ("suspected", "decisions", "slices")
"""Views that are one list each."""

HOME = "overview"
"""What downloads call the view that has no name in its address."""

logger = logging.getLogger("thinkworth")

Handler = Callable[[Request], Any]


def audit_app(
    engine: Callable[[], sa.Engine], *, door: Callable[[], Door] | None = None, question_s: float = QUESTION_S
) -> Starlette:
    """Return the page.

    Args:
        engine: gives the engine on the decision store; called for each page, so that the store may come up later.
        door: gives the door of this process, which knows the API keys; without one the page is shown to this machine alone.
        question_s: seconds that the questions of one page may take.
    """
    page = _Page(Store(engine, question_s), door)
    routes = [Route(f"/{place}", page.guarded(partial(page.view, place, view))) for place, view in VIEWS.items()]
    routes += [
        Route("/decisions/{decision_id}", page.guarded(page.decision)),
        Route("/decisions/{decision_id}/reviews", page.guarded(page.review), methods=["POST"]),
        Route("/assets/{name}", page.guarded(page.asset)),
        Route("/login", page.guarded(page.login.login), methods=["GET", "POST"]),
        Route("/logout", page.guarded(page.login.logout), methods=["POST"]),
        Route("/{place}.{form}", page.guarded(page.download)),
        Route("/{place}/{table}.{form}", page.guarded(page.sheet)),
        Route("/{rest:path}", page.guarded(page.nothing), methods=["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]),
    ]  # fmt: skip
    return Starlette(routes=routes, middleware=[Middleware(guard.Headers)])


class _Page:
    """The handlers; each returns an answer or raises an error of the contract."""

    def __init__(self, store: Store, door: Callable[[], Door] | None) -> None:
        self.store = store
        self.assets = load_assets()
        self.renderer = Renderer(self.assets)
        self.login = Login(door, self.renderer)
        self.facets = live.Facets()

    def guarded(self, handler: Handler) -> Handler:
        """Return a handler that only those reach who may see the page, and whose errors are pages."""

        async def answer(request: Request) -> Response:
            request.state.visitor = None
            try:
                request.state.visitor = self.login.visitor(request)
                found: Response = await handler(request)
                return found
            except Unauthorised as error:
                return self.login.refused(request, error)
            except Exception as error:
                known = _known_error(error)
                same = {"title": "Not shown", "place": None, "visitor": request.state.visitor}
                html = self.renderer.page("error.html", _root(request), error=known, **same)
                return HTMLResponse(html, status_code=known.status, headers=known.headers)

        return answer

    async def view(self, place: str, view: View, request: Request) -> Response:
        """Return a view; one that takes long is painted from its top while the rest is gathered."""
        asked = parse(view.asked, request.query_params.multi_items())
        root, visitor = _root(request), request.state.visitor
        same = {"title": view.title, "place": place, "heading": view.title, "visitor": visitor}

        def made() -> str:
            found = self.store.read(lambda connection: view.gather(connection, asked, self.facets))
            context = {"asked": asked, "forms": download.forms(), **same, **found}
            return self.renderer.page(view.template, root, **context)

        if not view.early or "hx-request" in request.headers:  # htmx shows nothing before the end
            return HTMLResponse(await self.store.run(made))
        # a store that is away is still told by the status
        await self.store.run(lambda: self.store.read(live.any_audit))

        async def pieces() -> AsyncIterator[str]:
            yield (top := self.renderer.top(root, **same))
            try:
                html = await self.store.run(made)
            except Exception as error:
                html = self.renderer.page("error.html", root, error=_known_error(error), **same)
            yield html.removeprefix(top)

        return StreamingResponse(pieces(), media_type="text/html")

    async def decision(self, request: Request) -> Response:
        """Return a decision's story."""
        parse(Nothing, request.query_params.multi_items())
        decision_id, visitor = request.path_params["decision_id"], request.state.visitor
        reviewer, root = unquote(request.cookies.get(REVIEWER, "")) or visitor or "", _root(request)

        def made() -> str:
            found = self.store.read(lambda connection: one_decision(connection, decision_id))
            return self.renderer.page(
                "decision.html", root, title="Decision", place="decisions", reviewer=reviewer, visitor=visitor, **found
            )

        return HTMLResponse(await self.store.run(made))

    async def review(self, request: Request) -> Response:
        """Add a mark and go back to the decision."""
        guard.refuse_foreign_form(request.headers, request.url.scheme)
        form, decision_id = await read_form(request), request.path_params["decision_id"]
        mark, comment, reviewer = (form.get(name, "") for name in ("mark", "comment", "reviewer"))
        add = partial(add_review, decision_id=decision_id, mark=mark, comment=comment, reviewer=reviewer)
        await self.store.run(lambda: self.store.write(add))
        root = _root(request)
        back = RedirectResponse(f"{root}/decisions/{segment(decision_id)}#reviews", status_code=303)
        back.set_cookie(
            REVIEWER, quote(reviewer.strip()), max_age=REMEMBERED_S, path=root or "/", httponly=True, samesite="strict"
        )  # fmt: skip
        return back

    async def download(self, request: Request) -> Response:
        """Return a list as a file; of a view without one, its first sheet."""
        place, form = request.path_params["place"], request.path_params["form"]
        if place not in LISTS or form not in download.forms():
            return await self.sheet(request)
        asked = parse(VIEWS[place].asked, request.query_params.multi_items())
        audit = await self.store.run(lambda: self.store.read(live.last_audit))
        pieces = download.chunks(self.store.read, asked, live.id_of(audit), form)
        first = await self.store.run(lambda: next(pieces, b""))  # an error is still a page, not a torn file
        return StreamingResponse(
            self._pieces(first, pieces), media_type=download.MEDIA[form], headers=_attached(f"{place}.{form}")
        )

    async def sheet(self, request: Request) -> Response:
        """Return a table of a view as a file: the one that is named, else the view's first."""
        place, form, table = (request.path_params.get(name) for name in ("place", "form", "table"))
        view = VIEWS.get("" if place == HOME else str(place))
        if view is None or view.sheets is None or form not in download.forms():
            return await self.nothing(request)
        asked, sheets = parse(view.asked, request.query_params.multi_items()), view.sheets
        gather = view.stored or view.gather

        def made() -> bytes:
            found = sheets(self.store.read(lambda connection: gather(connection, asked, self.facets)))
            name = table or next(iter(found), None)
            if name is None or name not in found:
                raise NotFound(f"{view.title} has no such table as it is asked for here; {_known(found)}")
            return download.whole(found[name], form)

        content = await self.store.run(made)
        headers = _attached(f"{place}_{table}.{form}" if table else f"{place}.{form}")
        return Response(content, media_type=download.MEDIA[form], headers=headers)

    async def asset(self, request: Request) -> Response:
        """Return a script or style."""
        found = self.assets.get(request.path_params["name"])
        if found is None:
            return await self.nothing(request)
        kept = FOREVER if request.query_params.get("v") == found.version else "no-cache"
        headers = {"cache-control": kept, "etag": f'"{found.version}"'}
        if request.headers.get("if-none-match") == headers["etag"]:
            return Response(status_code=304, headers=headers)
        return Response(found.content, media_type=found.kind, headers=headers)

    async def nothing(self, request: Request) -> Response:
        """Say that there is no such page."""
        if request.method not in ("GET", "HEAD"):
            raise MethodNotAllowed("this page takes no such method; only marks of a decision are posted")
        raise NotFound("there is no such page; go on from the links above")

    async def _pieces(self, first: bytes, pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
        piece: bytes | None = first
        while piece is not None:
            yield piece
            piece = await self.store.run(lambda: next(pieces, None))


def _known_error(error: Exception) -> ThinkworthError:
    """Return an error as one of the contract; what is unexpected is logged, by its kind alone."""
    if isinstance(error, ThinkworthError):
        return error
    logger.error("unexpected %s on the audit page", type(error).__name__)
    return InternalError("an unexpected error; it is logged without the request")


def _attached(name: str) -> dict[str, str]:
    return {"content-disposition": f'attachment; filename="{name}"'}


def _known(names: Collection[str]) -> str:
    return f"it has {', '.join(names)}" if names else "without an audit it has none: make one with `thinkworth audit`"
