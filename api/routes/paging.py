"""What every listing shares: the limit, and the address of the next page."""

from typing import Annotated

from fastapi import Query, Request

from domain.ports import PAGE_LIMIT

Limit = Annotated[int, Query(ge=1, le=PAGE_LIMIT, description="Most rows of the page.")]


def next_page(request: Request, **query: str | int) -> str:
    """Path and query of the same listing, continued as ``query`` says."""
    address = request.url.include_query_params(**query)
    return f"{address.path}?{address.query}"
