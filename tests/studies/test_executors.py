"""Executors run every job once, in order, and lose none."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import BrokenExecutor, Future, ThreadPoolExecutor
from pathlib import Path

import pytest

import condensation
from condensation.methods.loop import Stopped
from condensation.studies.executors import DIED, Processes, run_all
from condensation.studies.jobs import Failure


class Log:
    """Events, and the largest number of jobs that ran at once."""

    def __init__(self):
        self.began, self.ended, self.running, self.most = [], {}, set(), 0

    def begin(self, name):
        self.began.append(name)
        self.running.add(name)
        self.most = max(self.most, len(self.running))

    def end(self, name, reason):
        assert name not in self.ended
        self.ended[name] = reason and reason.reason
        self.running.discard(name)


def done_at_once(work):
    """A ``submit`` that does ``work`` here."""

    def submit(name):
        future = Future()
        try:
            future.set_result(work(name))
        except Exception as error:
            future.set_exception(error)
        return future

    return submit


def never():
    pass


def test_jobs_are_submitted_in_order_with_a_limit():
    log = Log()
    with ThreadPoolExecutor(2) as pool:
        work = lambda name: time.sleep(0.02)  # noqa: E731
        run_all("abcdef", lambda name: pool.submit(work, name), log.begin, log.end, never, at_a_time=2)
    assert (log.began, log.most) == (list("abcdef"), 2)
    assert log.ended == dict.fromkeys("abcdef")


def test_a_job_that_fails_stops_no_other():
    log = Log()
    work = {"a": None, "b": Failure("out of memory"), "c": None}
    run_all("abc", done_at_once(work.get), log.begin, log.end, never)
    assert log.ended == {"a": None, "b": "out of memory", "c": None}


def test_exceptions_of_the_executor_are_failures():
    log = Log()
    run_all("ab", done_at_once(lambda name: {"a": 1}[name] and None), log.begin, log.end, never)
    assert log.ended == {"a": None, "b": "KeyError: 'b'"}


def test_jobs_lost_with_a_dead_process_run_again_alone():
    """All that runs in a pool is lost with one process of it."""
    log, lost = Log(), []

    def work(name):
        if name == "b" or (name in "ac" and name not in lost):
            lost.append(name)
            raise BrokenExecutor
        return None

    run_all("abcde", done_at_once(work), log.begin, log.end, never, at_a_time=3)
    assert log.ended == {"a": None, "b": DIED, "c": None, "d": None, "e": None}
    assert log.began == list("abcabcde")


def test_stop_cancels_jobs_that_have_not_begun():
    log, futures = Log(), []

    def look():
        raise Stopped("enough")

    def submit(name):
        futures.append(Future())
        return futures[-1]

    with pytest.raises(Stopped):
        run_all("abc", submit, log.begin, log.end, look, at_a_time=2)
    assert [future.cancelled() for future in futures] == [True, True]


# -- processes


def die_if_asked(name):
    if name == "b":
        os._exit(9)
    return Failure(str(os.getpid()))


@pytest.mark.slow
def test_a_process_that_dies_is_replaced():
    log = Log()
    with Processes(2) as processes:
        run_all("abcd", lambda name: processes.submit(die_if_asked, name), log.begin, log.end, never, at_a_time=2)
    assert log.ended.pop("b") == DIED
    assert set(log.ended) == set("acd")
    assert str(os.getpid()) not in log.ended.values()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_no_process_is_left_behind(number, tmp_path):
    """However their parent ends: by Ctrl-C, which they don't hear themselves, or at once."""
    program = tmp_path / "program.py"
    program.write_text("""
import os, signal, sys, time
from pathlib import Path
from condensation.studies.executors import Processes

def work(place):
    Path(place, str(os.getpid())).touch()
    time.sleep(60)

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell ignores it for what runs in the background
    with Processes(2) as processes:
        for _ in range(2):
            processes.submit(work, sys.argv[1])
        time.sleep(60)
""")
    place = tmp_path / "running"
    place.mkdir()
    environment = {**os.environ, "PYTHONPATH": str(Path(condensation.__file__).parent.parent), "OMP_NUM_THREADS": "1"}
    with subprocess.Popen([sys.executable, program, place], env=environment, stderr=subprocess.PIPE, text=True) as process:
        while len(list(place.iterdir())) < 2:
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(number)
        message = process.stderr.read()
    assert message.count("KeyboardInterrupt") == (number == signal.SIGINT)
    left = [int(entry.name) for entry in place.iterdir()]
    until = time.monotonic() + 20
    while any(Path(f"/proc/{entry}").exists() for entry in left) and time.monotonic() < until:
        time.sleep(0.05)
    assert not any(Path(f"/proc/{entry}").exists() for entry in left)


@pytest.mark.slow
def test_a_process_that_still_imports_ends_with_its_parent(tmp_path):
    """PyTorch takes seconds to import; a kill in the meantime leaves no process that works on."""
    program = tmp_path / "program.py"
    program.write_text("""
import sys, time
if __name__ == "__main__":
    from condensation.studies.executors import Processes
    with Processes(2) as processes:
        for _ in range(2):
            processes.submit(time.sleep, 60)
        print(*processes._pool._processes, flush=True)
        time.sleep(60)
""")
    environment = {**os.environ, "PYTHONPATH": str(Path(condensation.__file__).parent.parent), "OMP_NUM_THREADS": "1"}
    with subprocess.Popen([sys.executable, program], env=environment, stdout=subprocess.PIPE, text=True) as process:
        workers = [Path(f"/proc/{number}") for number in process.stdout.readline().split()]
        assert len(workers) == 2
        assert all(map(Path.exists, workers))
        process.kill()
    until = time.monotonic() + 20
    while any(map(Path.exists, workers)) and time.monotonic() < until:
        time.sleep(0.01)
    assert not any(map(Path.exists, workers))
    assert "torch" not in imported_by("condensation.studies.worker")


def imported_by(module):
    """Return the names of all modules that ``module`` imports."""
    program = f"import sys, {module}; print(*sys.modules)"
    environment = {**os.environ, "PYTHONPATH": str(Path(condensation.__file__).parent.parent)}
    return subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True).stdout.split()


@pytest.mark.slow
@pytest.mark.parametrize("guarded", [False, True])
def test_a_script_that_workers_would_run_again_is_refused(tmp_path, guarded):
    body = "from condensation.studies.executors import Processes\nwith Processes(2) as pool:\n    print(pool.submit(abs, -7).result())\n"
    if guarded:
        body = 'if __name__ == "__main__":\n' + "".join(f"    {line}\n" for line in body.splitlines())
    (tmp_path / "mine.py").write_text(body)
    environment = {**os.environ, "PYTHONPATH": str(Path(condensation.__file__).parents[1])}
    done = subprocess.run([sys.executable, tmp_path / "mine.py"], capture_output=True, text=True, env=environment)
    assert (done.stdout == "7\n") is guarded
    assert ("__main__" in done.stderr.splitlines()[-1]) is not guarded if done.stderr else guarded
