"""Every route refuses whoever may not use it."""

from __future__ import annotations

import re

import pytest
from fastapi.routing import APIRoute, APIWebSocketRoute
from starlette.websockets import WebSocketDisconnect

from tests.app.console.scene import HERE

PUBLIC = {"GET /", "GET /api/session", "POST /api/session"}
LOGGED_IN = {"DELETE /api/session", "POST /api/session/password"}
VIEWER = {
    *("GET /api/cameras", "GET /api/picture", "GET /api/boxes", "GET /api/people", "GET /api/people/{number}"),
    *("GET /api/crops/{sighting}", "GET /api/floor", "GET /api/floor/plan", "GET /api/events"),
    *("GET /api/tokens", "POST /api/tokens", "DELETE /api/tokens/{number}", "GET /api/openapi.json"),
}
SEARCH = "/api/searches/{search_id}"
OPERATOR = {
    *("POST /api/searches/box", "POST /api/searches/identity", "POST /api/searches/pictures", f"GET {SEARCH}"),
    *(f"POST {SEARCH}/again", f"GET {SEARCH}/queries/{{which}}", f"GET {SEARCH}/matches/{{rank}}/picture"),
    *(f"GET {SEARCH}/matches/{{rank}}/reason", f"GET {SEARCH}/matches/{{rank}}/clip", f"GET {SEARCH}/list.csv"),
    *(f"POST {SEARCH}/matches/{{rank}}/verdict", f"POST {SEARCH}/follow", "GET /api/follows"),
    *("DELETE /api/follows/{number}", "GET /api/corrections", "POST /api/corrections/{number}/undo"),
    *("POST /api/people/{number}/merge", "POST /api/people/{number}/never", "POST /api/people/{number}/split"),
}
ADMIN = {
    *("DELETE /api/people/{number}", "GET /api/users", "POST /api/users", "PUT /api/users/{number}"),
    *("POST /api/users/{number}/password", "GET /api/audit", "GET /api/audit/export"),
}


def routes(app):
    """Every route, however deep it is included."""
    found, waiting = [], list(app.routes)
    while waiting:
        route = waiting.pop()
        inner = getattr(route, "routes", None) or getattr(getattr(route, "original_router", None), "routes", None)
        if isinstance(route, APIRoute | APIWebSocketRoute):
            found.append(route)
        elif inner:
            waiting += inner
    return found


def names(app):
    return {
        f"{method} {route.path}" for route in routes(app) if isinstance(route, APIRoute) for method in route.methods
    }


def ask(client, name, **options):
    method, path = name.split(" ")
    return client.request(method, re.sub(r"\{\w+\}", "1", path), **options)


def test_every_route_is_in_the_lists_below_and_in_the_description(shared_here):
    app = shared_here.anybody.app
    assert names(app) == PUBLIC | LOGGED_IN | VIEWER | OPERATOR | ADMIN
    described = {f"{method.upper()} {path}" for path, item in app.openapi()["paths"].items() for method in item}
    assert described == names(app) - {"GET /", "GET /api/openapi.json"}


@pytest.mark.parametrize("name", sorted(LOGGED_IN | VIEWER | OPERATOR | ADMIN))
def test_a_route_refuses_who_may_not_use_it(shared_here, name):
    assert ask(shared_here.anybody, name).status_code == 401
    refused = ask(shared_here.anybody, name, headers={"authorization": "Bearer ct_nothing"})
    assert refused.status_code == 401
    lower = {"viewer": OPERATOR | ADMIN, "operator": ADMIN}
    for role, above in lower.items():
        if name in above:
            answer = ask(getattr(shared_here, role), name)
            assert answer.status_code == 403
            assert "needs the role" in answer.json()["error"]


@pytest.mark.parametrize("name", sorted(VIEWER | OPERATOR | ADMIN))
def test_whoever_has_a_one_time_password_has_to_change_it_first(shared_here, name):
    from starlette.testclient import TestClient

    from app.console import accounts
    from tests.app.console.scene import enter

    gallery = shared_here.console.gallery
    fresh = next((user for user in accounts.users(gallery) if user.name == "fresh"), None)
    if fresh is None:
        fresh, _ = accounts.add_user(gallery, "fresh", "admin", who="test")
    once = accounts.reset_password(gallery, fresh.id, who="test")
    client = TestClient(shared_here.anybody.app, base_url=HERE, raise_server_exceptions=False)
    enter(client, "fresh", once)
    answer = ask(client, name)
    assert answer.status_code == 403
    assert "choose a password" in answer.json()["error"]


@pytest.mark.parametrize("name", sorted(name for name in LOGGED_IN | VIEWER | OPERATOR | ADMIN if name[:3] != "GET"))
def test_a_change_needs_the_pages_own_token(shared_here, name):
    admin = shared_here.admin
    without = {"x-csrf-token": ""}
    elsewhere = {"origin": "https://elsewhere.example"}
    for headers in (without, elsewhere, {"x-csrf-token": "é".encode()}):
        answer = ask(admin, name, headers=headers)
        assert answer.status_code == 403
        assert "does not come from a page" in answer.json()["error"]


@pytest.mark.parametrize("headers", [{}, {"origin": "https://elsewhere.example"}, {"authorization": "Bearer ct_x"}])
def test_the_wall_is_closed_to_who_may_not_watch(shared_here, headers):
    client = shared_here.viewer if "origin" in headers else shared_here.anybody
    with pytest.raises(WebSocketDisconnect), client.websocket_connect("wss://127.0.0.1/api/wall", headers=headers):
        pass
