"""A report is written completely or not at all."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from tautomer.errors import OutputPathError
from tautomer.report.output import check_writable, write_report

either = pytest.mark.parametrize(
    "attempt", [check_writable, lambda path: write_report(path, b"new")], ids=["check_writable", "write_report"]
)


def entries(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def test_a_report_is_written_and_nothing_else(tmp_path: Path) -> None:
    write_report(tmp_path / "out.json", b"{}\n")
    assert (tmp_path / "out.json").read_bytes() == b"{}\n"
    assert entries(tmp_path) == ["out.json"]


def test_an_older_report_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "out.json").write_bytes(b"a longer and older report")
    write_report(tmp_path / "out.json", b"new")
    assert (tmp_path / "out.json").read_bytes() == b"new"


def test_permissions_are_those_of_any_new_file(tmp_path: Path) -> None:
    (tmp_path / "ordinary").write_bytes(b"")
    write_report(tmp_path / "out.json", b"{}")
    assert (tmp_path / "out.json").stat().st_mode == (tmp_path / "ordinary").stat().st_mode


def test_trying_leaves_nothing_behind_and_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "old.json").write_bytes(b"old")
    check_writable(tmp_path / "new.json")
    check_writable(tmp_path / "old.json")
    assert entries(tmp_path) == ["old.json"]
    assert (tmp_path / "old.json").read_bytes() == b"old"


def test_a_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "link.json").symlink_to(tmp_path / "real.json")
    write_report(tmp_path / "link.json", b"{}")
    assert (tmp_path / "link.json").is_symlink()
    assert (tmp_path / "real.json").read_bytes() == b"{}"


def test_a_device_is_written_to_and_not_replaced() -> None:
    check_writable(os.devnull)
    write_report(os.devnull, b"{}")
    assert stat.S_ISCHR(Path(os.devnull).stat().st_mode)


@either
def test_a_missing_folder_is_refused(attempt, tmp_path: Path) -> None:
    with pytest.raises(OutputPathError, match=r"TA140 .*missing.* does not exist"):
        attempt(tmp_path / "missing" / "out.json")
    assert entries(tmp_path) == []


@either
def test_a_file_in_place_of_the_folder_is_refused(attempt, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputPathError):
        attempt(tmp_path / "file" / "out.json")


@either
def test_a_folder_is_refused(attempt, tmp_path: Path) -> None:
    with pytest.raises(OutputPathError, match=r"TA141 .*is a folder"):
        attempt(tmp_path)


@either
def test_a_name_the_file_system_cannot_hold_is_refused(attempt, tmp_path: Path) -> None:
    with pytest.raises(OutputPathError, match="TA143"):
        attempt(tmp_path / ("n" * 300))


@either
def test_a_name_with_a_zero_byte_is_refused(attempt, tmp_path: Path) -> None:
    with pytest.raises(OutputPathError, match="TA143"):
        attempt(tmp_path / "a\0b")


@either
def test_a_link_that_leads_to_itself_is_refused(attempt, tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(OutputPathError):
        attempt(tmp_path / "loop")


@either
def test_a_folder_without_permission_is_refused(attempt, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    # The operating system asks nothing of root, so a folder's mode would not refuse every user who runs the tests.
    monkeypatch.setattr("tautomer.report.output.os.open", denied)
    with pytest.raises(OutputPathError, match=r"TA142 .*Permission denied"):
        attempt(tmp_path / "out.json")


@either
def test_a_read_only_file_is_left_alone(attempt, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "out.json").write_bytes(b"old")
    monkeypatch.setattr("tautomer.report.output.os.access", lambda *_: False)
    with pytest.raises(OutputPathError, match=r"TA142 .*read-only"):
        attempt(tmp_path / "out.json")
    assert (tmp_path / "out.json").read_bytes() == b"old"


def test_a_full_disk_leaves_the_older_report_and_no_partial_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "out.json").write_bytes(b"old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tautomer.report.output.os.fsync", full)
    with pytest.raises(OutputPathError, match=r"TA143 .*No space left on device"):
        write_report(tmp_path / "out.json", b"new")
    assert entries(tmp_path) == ["out.json"]
    assert (tmp_path / "out.json").read_bytes() == b"old"


def test_a_refusal_says_what_to_do_and_exits_as_misuse(tmp_path: Path) -> None:
    with pytest.raises(OutputPathError) as refused:
        check_writable(tmp_path / "missing" / "out.json")
    assert refused.value.next_step
    assert refused.value.exit_status == 2
