"""Outputs appear whole or not at all and leave nothing behind; arrays are never unpickled."""

import os

import numpy as np
import pytest

from lib.errors import InputError
from lib.files import concatenate, read_arrays, whole, whole_folder, write_arrays, write_text


def test_interrupted_write_keeps_the_old_file_and_leaves_no_trace(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("old")
    with pytest.raises(KeyboardInterrupt), whole(path) as temporary:
        temporary.write_text("half")
        raise KeyboardInterrupt
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["table.csv"]


def test_interrupted_folder_keeps_the_old_one_and_a_finished_one_replaces_it(tmp_path):
    path = tmp_path / "vectors"
    with whole_folder(path) as temporary:
        (temporary / "old").touch()
    with pytest.raises(KeyboardInterrupt), whole_folder(path) as temporary:
        (temporary / "half").touch()
        raise KeyboardInterrupt
    assert os.listdir(tmp_path) == ["vectors"] and os.listdir(path) == ["old"]
    with whole_folder(path) as temporary:
        (temporary / "new").touch()
    assert os.listdir(tmp_path) == ["vectors"] and os.listdir(path) == ["new"]


def test_tables_are_gathered_without_touching_a_digit(tmp_path):
    paths = [tmp_path / "a.csv", tmp_path / "b.csv"]
    paths[0].write_text("workload,format,accuracy\nw1,,0.10\n")
    paths[1].write_text('workload,accuracy,why,format\nw0,0.3000000000000000444,"one, or ""two""",qdq\n\n')
    concatenate(paths, tmp_path / "c.csv")
    assert (tmp_path / "c.csv").read_text().splitlines() == [
        "workload,format,accuracy,why",
        "w1,,0.10,",
        'w0,qdq,0.3000000000000000444,"one, or ""two"""',
    ]
    concatenate([], tmp_path / "none.csv")
    assert (tmp_path / "none.csv").read_text() == "workload,dataset\n"


@pytest.mark.parametrize("text", ["", "a,a\n1,2\n", "a,b\n1\n", "a,b\n1,2,3\n", 'a,b\n1,"2\n', "a,b\n\0,\xff\n"])
def test_damaged_tables_are_not_gathered(text, tmp_path):
    (tmp_path / "damaged.csv").write_text(text, encoding="latin-1")
    with pytest.raises(InputError, match=r"damaged\.csv: not a table \(.+\); delete it"):
        concatenate([tmp_path / "damaged.csv"], tmp_path / "both.csv")
    assert not (tmp_path / "both.csv").exists()


def test_arrays_round_trip(tmp_path):
    write_arrays(tmp_path / "a.npz", x=np.arange(5), name=np.array("é"))
    read = read_arrays(tmp_path / "a.npz")
    assert np.array_equal(read["x"], np.arange(5)) and str(read["name"]) == "é"


def test_what_a_killed_process_left_goes_with_the_next_try(tmp_path):
    (tmp_path / ".a-x1y2z3_4.csv").write_text("half")
    (tmp_path / ".a-b-x1y2z3_4.csv").write_text("of another file, being written")
    write_text("whole", tmp_path / "a.csv")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".a-b-x1y2z3_4.csv", "a.csv"]


@pytest.mark.parametrize("damage", ["pickle", "truncated", "text"])
def test_damaged_or_pickled_arrays_are_refused(damage, tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, x=np.array([object()]) if damage == "pickle" else np.arange(1000))
    if damage == "truncated":
        path.write_bytes(path.read_bytes()[:500])
    if damage == "text":
        path.write_text("not an archive")
    with pytest.raises(InputError, match=r"a\.npz"):
        read_arrays(path)
