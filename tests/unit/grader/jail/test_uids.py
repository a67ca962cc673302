import os

from grader.jail.uids import Uids

ROOT = 0
SOMEBODY = 1234


def test_two_jails_never_have_the_same_user_outside() -> None:
    uids = Uids(first=200_000, count=3, own=ROOT)

    taken = [uids.take() for _ in range(3)]
    uids.give_back(taken[1])

    assert len(set(taken)) == 3
    assert all(uid == gid and 200_000 <= uid < 200_003 for uid, gid in taken)
    assert uids.take() == taken[1]


def test_without_root_every_jail_has_our_user() -> None:
    uids = Uids(first=200_000, count=1, own=SOMEBODY)

    assert uids.take() == uids.take() == (SOMEBODY, os.getegid())
