"""What the project's README shows is what happens."""

import re
from pathlib import Path

README = Path(__file__).parents[2] / "README.md"


def block(language):
    """The first block of a language."""
    return re.search(rf"```{language}\n(.*?)```", README.read_text(), re.DOTALL)[1]


def test_the_tour_goes_as_the_readme_says(tmp_path, run_here, check_readme):
    (tmp_path / "main.iac.yaml").write_text(block("yaml"))
    check_readme(README, run_here)


def test_the_program_of_the_readme_runs(tmp_path, run_here):
    (tmp_path / "shop.py").write_text(block("python"))
    code, printed = run_here("python shop.py")
    assert code == 0, printed
    lines = printed.splitlines()
    assert lines[0] == "ChangeCounts(add=3, change=0, remove=0, imported=0, forget=0)"
    assert sum(line.startswith("StepFinished") for line in lines) == 3
