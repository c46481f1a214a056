from __future__ import annotations

import pytest
from argon2 import PasswordHasher, Type
from hypothesis import given
from hypothesis import strategies as st

from app.config_console import ConsoleConfig
from app.console import accounts, sessions
from app.console.limits import MOST_KEYS, Limit
from app.errors import InputError
from app.gallery import Gallery
from tests.app.galleries import MODEL, message, plain

CONFIG = ConsoleConfig(lock_after=3, lock_minutes=10, idle_minutes=30, session_hours=2)


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def gallery(tmp_path, clock):
    with Gallery.create(tmp_path / "gallery.db", MODEL, clock=clock) as made:
        yield made


@pytest.fixture
def ann(gallery):
    accounts.first_admin(gallery)
    user, password = accounts.add_user(gallery, "ann", "operator", who="root")
    return user, password


def test_passwords_are_hashed_as_strongly_as_argon2_recommends():
    strong = PasswordHasher()
    assert strong.type is Type.ID
    assert strong.memory_cost >= 64 * 1024
    assert strong.time_cost >= 3


def test_the_first_start_makes_one_admin(gallery):
    password = accounts.first_admin(gallery)
    user = accounts.check_password(gallery, "admin", password, CONFIG)
    assert user.may("admin")
    assert user.must_change
    assert accounts.first_admin(gallery) is None
    with plain(gallery.path) as connection:
        (stored,) = connection.execute("SELECT password FROM users").fetchone()
    assert stored.startswith("$argon2id$")
    assert password not in stored


def test_wrong_passwords_lock_an_account_for_a_while(gallery, ann, clock):
    user, password = ann
    for _ in range(CONFIG.lock_after):
        with pytest.raises(accounts.LoginError):
            accounts.check_password(gallery, "ann", "wrong", CONFIG)
    with pytest.raises(accounts.LoginError):
        accounts.check_password(gallery, "ann", password, CONFIG)
    assert [entry.action for entry in gallery.audit_log()] == ["user add", "user add", "user locked"]
    clock.now += 60 * CONFIG.lock_minutes + 1
    assert accounts.check_password(gallery, "ann", password, CONFIG).id == user.id


def test_only_wrong_passwords_in_a_row_count(gallery, ann):
    _, password = ann
    for _ in range(3):
        for _ in range(CONFIG.lock_after - 1):
            with pytest.raises(accounts.LoginError):
                accounts.check_password(gallery, "ann", "wrong", CONFIG)
        accounts.check_password(gallery, "ann", password, CONFIG)


@pytest.mark.parametrize("name", ["nobody", "' OR 1=1 --", "ann' --", "Ann", ""])
def test_a_name_that_is_not_there_is_told_like_a_wrong_password(gallery, ann, name):
    with pytest.raises(accounts.LoginError) as error:
        accounts.check_password(gallery, name, ann[1], CONFIG)
    assert str(error.value) == ""


@pytest.mark.parametrize("name", ["", "a b", "<script>", "a'b", "x" * 65, "ä", "a\n"])
def test_names_are_plain(gallery, name):
    with pytest.raises(InputError, match="expected up to 64 letters"):
        accounts.add_user(gallery, name, "viewer", who="root")


def test_a_chosen_password_ends_all_sessions(gallery, ann):
    user, once = ann
    held = sessions.begin_session(gallery, user)
    for new in ("short", "x" * 300, once):
        with pytest.raises(InputError):
            accounts.change_password(gallery, user, once, new, CONFIG)
    with pytest.raises(accounts.LoginError):
        accounts.change_password(gallery, user, "wrong", "a long password", CONFIG)
    accounts.change_password(gallery, user, once, "a long password", CONFIG)
    assert sessions.session_user(gallery, held, CONFIG) is None
    changed = accounts.check_password(gallery, "ann", "a long password", CONFIG)
    assert not changed.must_change


def test_there_is_always_an_admin(gallery, ann):
    admin = accounts.named_user(gallery, "admin")
    for role, disabled in (("viewer", False), ("admin", True)):
        with pytest.raises(InputError, match="last admin"):
            accounts.change_user(gallery, admin.id, role=role, disabled=disabled, who="admin")
    accounts.change_user(gallery, ann[0].id, role="admin", disabled=False, who="admin")
    accounts.change_user(gallery, admin.id, role="viewer", disabled=False, who="ann")
    assert not accounts.named_user(gallery, "admin").may("operator")


def test_who_is_locked_out_has_no_session_and_no_token(gallery, ann):
    user, password = ann
    accounts.change_password(gallery, user, password, "a long password", CONFIG)
    held = sessions.begin_session(gallery, user)
    _, secret = sessions.add_token(gallery, user, "script", "operator", 1)
    assert sessions.token_user(gallery, secret).name == "ann"
    accounts.change_user(gallery, user.id, role="operator", disabled=True, who="admin")
    assert sessions.session_user(gallery, held, CONFIG) is None
    assert sessions.token_user(gallery, secret) is None
    with pytest.raises(accounts.LoginError):
        accounts.check_password(gallery, "ann", "a long password", CONFIG)


def test_a_session_ends_when_it_is_idle_and_after_all(gallery, ann, clock):
    user, _ = ann
    idle = sessions.begin_session(gallery, user)
    clock.now += 60 * CONFIG.idle_minutes + 1
    assert sessions.session_user(gallery, idle, CONFIG) is None
    busy = sessions.begin_session(gallery, user)
    start = clock.now
    while clock.now < start + 3600 * CONFIG.session_hours:
        assert sessions.session_user(gallery, busy, CONFIG).id == user.id
        clock.now += 60 * CONFIG.idle_minutes - 1
    assert sessions.session_user(gallery, busy, CONFIG) is None


def test_what_a_browser_holds_is_not_in_the_file(gallery, ann):
    user, _ = ann
    held = sessions.begin_session(gallery, user)
    _, secret = sessions.add_token(gallery, user, "script", "viewer", 1)
    gallery.compact()
    stored = gallery.path.read_bytes()
    assert held.encode() not in stored
    assert secret.encode() not in stored
    sessions.end_session(gallery, held, user)
    assert sessions.session_user(gallery, held, CONFIG) is None


def test_a_token_does_no_more_than_its_role_and_its_users(gallery, ann, clock):
    user, password = ann
    accounts.change_password(gallery, user, password, "a long password", CONFIG)
    with pytest.raises(InputError, match="cannot be admin"):
        sessions.add_token(gallery, user, "script", "admin", 1)
    _, low = sessions.add_token(gallery, user, "low", "viewer", 1)
    number, high = sessions.add_token(gallery, user, "high", "operator", 2)
    assert not sessions.token_user(gallery, low).may("operator")
    assert sessions.token_user(gallery, high).may("operator")
    accounts.change_user(gallery, user.id, role="viewer", disabled=False, who="admin")
    assert not sessions.token_user(gallery, high).may("operator")
    clock.now += 86400 + 1
    assert sessions.token_user(gallery, low) is None
    other, _ = accounts.add_user(gallery, "bob", "viewer", who="admin")
    with pytest.raises(InputError, match="is not there"):
        sessions.end_token(gallery, other, number)
    sessions.end_token(gallery, accounts.named_user(gallery, "admin"), number)
    assert sessions.token_user(gallery, high) is None


def test_an_unknown_user_is_told_in_one_line(gallery):
    with pytest.raises(InputError) as error:
        accounts.named_user(gallery, "nobody")
    assert "may not use the console" in message(error)
    with pytest.raises(InputError):
        accounts.reset_password(gallery, 7, who=None)


@given(st.integers(1, 30), st.lists(st.floats(0, 20), min_size=1, max_size=80))
def test_nobody_gets_more_turns_than_the_limit(a_minute, pauses):
    clock = Clock()
    limit = Limit(a_minute, clock)
    taken = []
    for pause in pauses:
        clock.now += pause
        wait = limit.wait("me")
        if wait == 0:
            taken.append(clock.now)
        else:
            clock.now += wait + 1e-6
            assert limit.wait("me") == 0
            taken.append(clock.now)
    for first in taken:
        assert sum(first <= each < first + 60 for each in taken) <= 2 * a_minute
    assert limit.wait("somebody else") == 0


def test_a_limit_forgets_callers_who_do_not_come_back():
    limit = Limit(1, Clock())
    for caller in range(2 * MOST_KEYS):
        limit.wait(caller)
    assert len(limit._left) == MOST_KEYS


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.5", "::"])
def test_passwords_do_not_cross_a_network_in_clear(host):
    with pytest.raises(ValueError, match="must not cross a network in clear"):
        ConsoleConfig(host=host)
    assert ConsoleConfig(host=host, behind_proxy=True).host == host
    assert ConsoleConfig(host=host, certificate="c.pem", key="k.pem").host == host
    with pytest.raises(ValueError, match="belong together"):
        ConsoleConfig(certificate="c.pem")
