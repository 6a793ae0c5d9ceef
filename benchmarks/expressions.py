"""How long expressions take: `python benchmarks/expressions.py [CORPUS.jsonl]`.

Processor time, so that a busy machine changes little. With the conformance corpus, 10,000 different expressions of its
kind are parsed and evaluated; without it, some written here.
"""

from __future__ import annotations

import argparse
import itertools
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from iacengine.foundation.files import DiskFiles
from iacengine.foundation.garbage import collection_paused
from iacengine.lang.errors import ExpressionError
from iacengine.lang.expression import parse_template
from iacengine.lang.functions.context import FunctionContext
from iacengine.lang.render import with_rendering
from iacengine.lang.values import Value

COUNT = 10_000
SAMPLES = (
    "1 + 2 * 3",
    '"a-${1 + 1}-b"',
    "[for x in [1, 2, 3] : x * 2 if x != 2]",
    'true ? {a = 1} : {a = "x"}',
    'upper("abc")',
    "[{a = 1}, {a = 2}][*].a",
    'merge({a = 1}, {b = [1, 2]})["b"][1]',
)


class Names:
    """A scope that knows a few names."""

    def __init__(self) -> None:
        self.functions = with_rendering(FunctionContext(DiskFiles()))
        self.names: dict[tuple[str, ...], Value] = {
            ("var", "x"): "1",
            ("each", "value"): {"name": "n"},
            ("resource", "aws_vpc", "main"): {"id": "vpc-1"},
            ("path", "module"): ".",
            ("path", "root"): ".",
        }

    def lookup(self, subject: tuple[str, ...]) -> Value:
        return self.names[subject]


def seconds(work: Callable[[], Any]) -> float:
    """Processor seconds of the quickest of three runs."""
    best = float("inf")
    for _ in range(3):
        start = time.process_time()
        work()
        best = min(best, time.process_time() - start)
    return best


def corpus_expressions(path: Path | None) -> list[str]:
    if path is None:
        return list(SAMPLES)
    records = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    usable = [record for record in records if "expr" in record and not record.get("error") and not record["vars"]]
    return [record["expr"] for record in usable if not record["group"].startswith("fn-")]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus", nargs="?", type=Path)
    expressions = corpus_expressions(parser.parse_args().corpus)
    scope = Names()
    for text in ("plain text", "${var.x}", "${aws_vpc.main.id}", "${each.value.name}", "${aws_vpc.main.id}-x"):
        expression = parse_template(text)
        evaluate = expression.evaluate

        def repeat(evaluate: Callable[[Any], Value] = evaluate) -> None:
            for _ in itertools.repeat(None, 100_000):
                evaluate(scope)

        print(f"{text:24} {seconds(repeat) * 10:6.2f} us an evaluation")
    run = itertools.count()

    def distinct() -> None:
        mark = next(run)
        for index, text in zip(range(COUNT), itertools.cycle(expressions), strict=False):
            try:
                parse_template(f"${{[{text}, {index}, {mark}]}}").evaluate(scope)
            except ExpressionError:
                continue

    def references() -> None:
        mark = next(run)
        for index in range(COUNT):
            parse_template(f"${{aws_vpc.n{index}_{mark}.id}}")

    with collection_paused():
        print(f"{COUNT} different expressions, parsed and evaluated: {seconds(distinct):.2f} s")
        print(f"{COUNT} different plain references, parsed:          {seconds(references):.3f} s")


if __name__ == "__main__":
    main()
