"""A file is read only if it is still what its rule wrote."""

import os

import pytest

from lib.errors import InputError
from lib.trust import written


@pytest.fixture
def noted(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    for name in ("table.csv", "folder/a.txt", "folder/b.txt"):
        (tmp_path / name).write_text("1\n2\n3\n")
    written.note(["table.csv", "folder"])
    return tmp_path


def test_untouched_touched_and_copied_files_pass(noted):
    written.check(["table.csv", "folder", "no such file"])
    for name in ("table.csv", "folder/a.txt"):
        os.utime(noted / name, (0, 0))
    (noted / "folder" / ".snakemake_timestamp").touch()
    written.check(["table.csv", "folder"])


@pytest.mark.parametrize("file", ["table.csv", "folder/b.txt"])
@pytest.mark.parametrize("text", ["1\n2\n", "1\n2\n4\n", ""])
def test_cut_and_changed_files_are_refused(noted, file, text):
    (noted / file).write_text(text)
    with pytest.raises(InputError, match=f"{file.split('/')[0]}: not as the workflow wrote it"):
        written.check(["table.csv", "folder"])


def test_missing_file_of_a_folder_is_noticed_and_a_new_note_settles_it(noted):
    (noted / "folder" / "a.txt").unlink()
    with pytest.raises(InputError, match="folder: "):
        written.check(["folder"])
    written.note(["folder"])
    written.check(["folder"])


def test_damaged_note_is_no_note(noted):
    for note in written.NOTES.iterdir():
        note.write_text("{")
    (noted / "table.csv").write_text("other")
    written.check(["table.csv"])
