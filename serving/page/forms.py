"""The forms of the page."""

from urllib.parse import parse_qsl

from starlette.requests import Request

from contract.errors import BodyTooLarge, InvalidRequest

MAX_FORM_BYTES = 65_536
MAX_FORM_FIELDS = 8


async def read_form(request: Request) -> dict[str, str]:
    """Return the fields of a form.

    Raises:
        BodyTooLarge: it is over the limit.
        InvalidRequest: it is no form of the page's.
    """
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > MAX_FORM_BYTES:
            raise BodyTooLarge(f"the form is over {MAX_FORM_BYTES:,} bytes; shorten the comment", limit=MAX_FORM_BYTES)
    try:
        return dict(parse_qsl(body.decode(), keep_blank_values=True, errors="strict", max_num_fields=MAX_FORM_FIELDS))
    except ValueError as error:
        raise InvalidRequest("the form cannot be read; send it from the page itself", field="body") from error
