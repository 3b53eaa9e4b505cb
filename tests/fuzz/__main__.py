"""Run the fuzzer: ``python -m tests.fuzz CORPUS... -max_total_time=120`` (libFuzzer's own arguments)."""

import sys

import atheris

with atheris.instrument_imports(include=["item_bank"]):
    from tests.fuzz.importers import one

atheris.Setup(sys.argv, one)
atheris.Fuzz()
