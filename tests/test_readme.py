"""What the README shows of the command line is what the command prints."""

import re
import shlex

import pytest

from brainworth import cli

BLOCK = re.compile(r"^```\n\$ \.venv/bin/brainworth (.*?)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("command", ["value", "budget"])
def test_the_readme_shows_the_calculator(repository, capsys, command):
    blocks = dict(BLOCK.findall((repository / "README.md").read_text()))
    shown = {call: text for call, text in blocks.items() if call.split()[0] == command}
    assert len(shown) == 1
    for call, text in shown.items():
        assert cli.main(shlex.split(call)) == 0
        assert capsys.readouterr().out == text
