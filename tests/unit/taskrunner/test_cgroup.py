"""Decisions about cgroups on texts and on directories of plain files: what the kernel does is tried in tests/fault."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from smart_cron.taskrunner import delegation
from smart_cron.taskrunner.cgroup import LEAF, Home, RunGroup

UNIFIED = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate"
HYBRID = "31 23 0:26 / /sys/fs/cgroup/unified rw,relatime - cgroup2 none rw"
BOUND = "32 23 0:26 /docker/abc /sys/fs/cgroup rw - cgroup2 cgroup rw"
OTHERS = "29 23 0:25 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n28 1 8:1 / / rw - ext4 /dev/sda1 rw"


@pytest.fixture(autouse=True)
def _no_systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delegation, "SYSTEMD", str(tmp_path / "no-systemd"))


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A directory that looks like a delegated cgroup with this process alone in it."""
    home = tmp_path / "unit"
    home.mkdir()
    for name, text in {
        "cgroup.events": "populated 1\nfrozen 0\n",
        "cgroup.procs": f"{os.getpid()}\n",
        "cgroup.subtree_control": "memory pids\n",
        "cgroup.controllers": "cpu memory pids\n",
    }.items():
        (home / name).write_text(text)
    return home


def group_in(tree: Path, *controllers: str) -> RunGroup:
    group = RunGroup(str(tree / "run-1"), frozenset(controllers))
    (tree / LEAF).mkdir()
    Path(group.path).mkdir()
    return group


@pytest.mark.parametrize(
    ("cgroups", "mounts", "found"),
    [
        ("0::/system.slice/a.service\n", UNIFIED, "/sys/fs/cgroup/system.slice/a.service"),
        ("0::/\n", UNIFIED, "/sys/fs/cgroup"),
        ("9:name=systemd:/x\n4:memory:/y\n0::/z\n", f"{OTHERS}\n{HYBRID}", "/sys/fs/cgroup/unified/z"),
        ("0::/docker/abc/runner\n", BOUND, "/sys/fs/cgroup/runner"),
        ("0::/docker/abc\n", BOUND, "/sys/fs/cgroup"),
        ("0::/docker/abcdef\n", BOUND, None),
        ("0::/../outside\n", UNIFIED, None),
        ("4:memory:/y\n", OTHERS, None),
        ("0::/z\n", OTHERS, None),
        ("", "", None),
    ],
)
def test_a_process_cgroup_is_found_under_its_mount(cgroups: str, mounts: str, found: str | None) -> None:
    assert delegation.own_cgroup(cgroups=cgroups, mounts=mounts) == found


def test_a_cgroup_with_this_process_alone_in_it_is_ours(tree: Path) -> None:
    assert delegation.why_not_ours(str(tree), pid=os.getpid()) is None


def test_a_cgroup_with_others_in_it_is_not_ours(tree: Path) -> None:
    (tree / "cgroup.procs").write_text(f"1\n{os.getpid()}\n")

    assert delegation.why_not_ours(str(tree), pid=os.getpid()) == "there are other processes in it"


def test_the_root_of_the_hierarchy_is_never_ours(tree: Path) -> None:
    (tree / "cgroup.events").unlink()

    assert delegation.why_not_ours(str(tree), pid=os.getpid()) == "it is the root of the hierarchy"


def test_what_cannot_be_written_is_not_ours(tree: Path) -> None:
    (tree / "cgroup.subtree_control").unlink()

    assert delegation.why_not_ours(str(tree), pid=os.getpid()) == "this user may not write in it"


def test_under_systemd_only_what_it_marked_is_ours(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delegation, "SYSTEMD", str(tree))

    assert "Delegate=yes" in (delegation.why_not_ours(str(tree), pid=os.getpid()) or "")


def test_a_home_is_known_by_the_leaf_in_it(tree: Path) -> None:
    leaf = tree / LEAF
    leaf.mkdir()

    home = delegation.home_around(str(leaf))

    assert home is not None
    assert (home.path, home.controllers) == (str(tree), {"memory", "pids"})
    assert delegation.home_around(str(tree)) is None
    assert delegation.home_around(None) is None


def test_limits_become_the_kernels_once_the_supervisor_is_out_again(tree: Path) -> None:
    group = group_in(tree, "memory", "pids")
    for name in ("pids.max", "memory.max", "memory.swap.max", "memory.oom.group", "cgroup.procs"):
        Path(group.path, name).touch()
    (tree / LEAF / "cgroup.procs").touch()

    group.limit({"memory_bytes": 1_000_000, "processes": 20})
    before = {name: Path(group.path, name).read_text() for name in ("pids.max", "memory.max")}
    with group:
        pass

    after = {path.name: path.read_text() for path in Path(group.path).iterdir()}
    assert before == {"pids.max": "21", "memory.max": ""}
    # A plain file keeps the second digit of what was longer; the kernel's does not.
    assert after["pids.max"].startswith("20")
    assert (after["memory.max"], after["memory.swap.max"], after["memory.oom.group"]) == ("1000000", "0", "1")
    assert group.bounds_memory


def test_limits_without_their_controller_are_left_to_others(tree: Path) -> None:
    group = group_in(tree)
    (tree / LEAF / "cgroup.procs").touch()
    Path(group.path, "cgroup.procs").touch()

    group.limit({"memory_bytes": 1_000_000, "processes": 20})
    with group:
        pass

    assert [path.name for path in Path(group.path).iterdir()] == ["cgroup.procs"]
    assert not group.bounds_memory


def test_a_limit_of_memory_that_is_refused_is_not_called_kept(tree: Path) -> None:
    group = group_in(tree, "memory")
    (tree / LEAF / "cgroup.procs").touch()
    Path(group.path, "cgroup.procs").touch()

    group.limit({"memory_bytes": 1_000_000})
    with group:
        pass

    assert not group.bounds_memory


def test_counters_are_read_and_missing_ones_are_none(tree: Path) -> None:
    group = group_in(tree)

    nothing = (group.memory_peak(), group.ran_out_of_memory(), group.refused_processes())
    Path(group.path, "memory.peak").write_text("123456\n")
    Path(group.path, "memory.events").write_text("low 0\nhigh 0\nmax 12\noom 1\noom_kill 2\noom_group_kill 1\n")
    Path(group.path, "pids.events").write_text("max 7\n")

    assert nothing == (None, False, 0)
    assert (group.memory_peak(), group.ran_out_of_memory(), group.refused_processes()) == (123_456, True, 7)


def test_who_could_not_leave_a_cgroup_does_not_kill_all_that_is_in_it(tree: Path) -> None:
    group = group_in(tree)
    Path(group.path, "cgroup.procs").touch()
    Path(group.path, "cgroup.kill").touch()

    with group:
        pass

    assert not group.kill()
    assert Path(group.path, "cgroup.kill").read_text() == ""


def test_only_empty_cgroups_of_runs_are_tidied_away(tree: Path) -> None:
    for name in ("run-1/inner", "run-2", "other"):
        (tree / name).mkdir(parents=True)
    (tree / "run-2" / "populated").touch()

    Home(str(tree)).tidy()

    assert sorted(path.name for path in tree.iterdir() if path.is_dir()) == ["other", "run-2"]


def test_only_the_controllers_that_are_there_are_handed_on(tree: Path) -> None:
    (tree / "cgroup.controllers").write_text("cpu memory\n")
    (tree / "cgroup.subtree_control").write_text("")

    delegation._hand_on_controllers(str(tree))

    assert (tree / "cgroup.subtree_control").read_text() == "+memory"
