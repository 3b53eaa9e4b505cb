"""What the command line says when it is misunderstood, interrupted, or has little to count."""

from __future__ import annotations

import subprocess
import sys

import pytest

from api.command import main
from api.commands.dif import _left_out

IMPATIENT = """
import os, signal, sys
import api.commands.link as link
from api.command import main

class Terminal:
    def write(self, text):
        os.kill(os.getpid(), signal.SIGINT)  # pressed again while the first time is being answered
        return sys.__stderr__.write(text)
    def flush(self):
        sys.__stderr__.flush()

def run(args):
    sys.stderr = Terminal()
    raise KeyboardInterrupt

link.run = run
sys.argv = ["acquis", "link", "FROM.json", "TO.json", "--out", "LINKED.json"]
sys.exit(main())
"""


def test_interrupted_twice_is_said_once() -> None:
    done = subprocess.run([sys.executable, "-c", IMPATIENT], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (130, "acquis link: interrupted\n")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["calibrate", "x.csv", "--modl", "2pl", "--out", "o.json"],
            "no option --modl; did you mean '--model'?",
        ),
        (["bank", "check", "demo", "--desing=d.toml"], "no option --desing; did you mean '--design'?"),
        (["link", "a.json", "--what", "b.json"], "no option --what; see 'acquis link --help'"),
        (["calibrate", "x.csv", "--out", "o.json"], "required: --model; see 'acquis calibrate --help'"),
        (["Calibrate"], "no command 'Calibrate'; did you mean 'calibrate'?"),
        (["frobnicate"], "no command 'frobnicate'; there are: demo, serve"),
    ],
)
def test_a_slip_of_the_keyboard_is_met_with_a_guess(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    caught = capsys.readouterr()
    assert said in caught.err and caught.err.count("\n") == 1 and not caught.out


@pytest.mark.parametrize(
    ("n", "said"),
    [(0, "every item stays an anchor"), (1, "1 item is no anchor"), (7, "7 items are no anchors")],
)
def test_purification_counts_in_english(n: int, said: str) -> None:
    assert _left_out(n) == said
