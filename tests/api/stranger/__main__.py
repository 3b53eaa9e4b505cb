"""The long form: every role, two organisations as peers, and the controls; status 1 when something fails."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from tests.api.stranger.broken import PROMISES
from tests.api.stranger.place import PEERS, ROLES, Place, broken
from tests.api.stranger.tool import REACHES, as_peers, as_role


def main() -> int:
    """Run everything and print what happened."""
    parser = argparse.ArgumentParser(prog="python -m tests.api.stranger", description=__doc__)
    parser.add_argument("--examples", type=int, default=100, help="requests for an operation, a phase")
    parser.add_argument("--roles", nargs="*", default=[*ROLES, "peers"], choices=[*ROLES, "peers"])
    args = parser.parse_args()
    sound = True
    for role in args.roles:
        with tempfile.TemporaryDirectory() as folder, Place.open(Path(folder), roles=ROLES | PEERS) as place:
            if role == "peers":
                done = as_peers(place, args.examples)
            else:
                done = as_role(place, role, args.examples)
        missed = REACHES.get(role, set()) - done.done
        print(f"{role}: {done.told()}" + (f"; NEVER DONE: {sorted(missed)}" if missed else ""), flush=True)
        if done.status:
            print(done.text)
        sound &= done.status == 0 and not missed
    for promise, (_, found) in PROMISES.items():
        server = broken(promise)
        with tempfile.TemporaryDirectory() as folder, Place.open(Path(folder), server, PEERS) as place:
            done = as_peers(place, args.examples, "--include-path-regex", "tests$|jwks|results")
        caught = done.status == 1 and found in done.text
        print(f"control, {promise}: {'caught' if caught else 'NOT CAUGHT'}", flush=True)
        sound &= caught
    print("0 failures, every control caught." if sound else "A check or a control FAILED.")
    return 0 if sound else 1


if __name__ == "__main__":
    raise SystemExit(main())
