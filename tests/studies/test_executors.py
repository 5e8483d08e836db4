"""Executors do every task once, in order, and lose none; the tasks of a lost worker are done again."""

import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import BrokenExecutor, Future, ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest

import condensation
from condensation.core.errors import CondensationError
from condensation.core.lease import leased
from condensation.methods.step_info import Stopped
from condensation.studies import engine as engines
from condensation.studies.engine import RETRIES, Engine
from condensation.studies.remote import Outcome, RemoteTask, do, lease_of
from condensation.studies.tasks import FAILED, FINISHED, TO_DO, Failure, Task, TaskList, Watch, failures_in, file_state

REQUEST = RemoteTask(study="none", folder="nowhere", settings="{}")


def tasks(folder, names, work=lambda name: None, **fields):
    """One task per letter of ``names``, which does ``work`` and writes a file."""

    def write(name, watch):
        failure = work(name)
        if failure is None:
            (folder / "cells").mkdir(exist_ok=True)
            (folder / "cells" / name).touch()
        return failure

    return TaskList(
        [
            Task(name=name, group="cells", title=name, work=partial(write, name), state=partial(file_state, folder / "cells" / name, name))
            if name not in fields
            else fields[name](partial(write, name), partial(file_state, folder / "cells" / name, name))
            for name in names
        ]
    )


class Log:
    """Events of a study, and the largest number of tasks that ran at once."""

    def __init__(self):
        self.began, self.ended, self.running, self.most = [], {}, set(), 0

    def begin(self, number, count, title, state):
        self.began.append(title)
        if state in (TO_DO, FAILED):
            self.running.add(title)
        self.most = max(self.most, len(self.running))

    def end(self, number, count, title, result, seconds, left):
        assert title not in self.ended
        self.ended[title] = result
        self.running.discard(title)

    @property
    def watch(self):
        return Watch(on_job=self.begin, on_end=self.end)


class Here:
    """Executor that does each task in this process, when it is submitted."""

    def __init__(self, engine, before=lambda name: None):
        self.engine, self.before = engine, before

    def submit(self, work, text):
        future, task = Future(), self.engine.tasks[json.loads(text)["task"]]
        try:
            self.before(task.name)
            future.set_result(do(task, self.engine.folder, Watch()))
        except Exception as error:
            future.set_exception(error)
        return future


class Threads(Here):
    def __init__(self, engine, workers):
        super().__init__(engine)
        self.pool, self.workers = ThreadPoolExecutor(workers), workers

    def submit(self, work, text):
        return self.pool.submit(do, self.engine.tasks[json.loads(text)["task"]], self.engine.folder, Watch())


def test_tasks_are_submitted_in_order_with_a_limit(tmp_path):
    log = Log()
    engine = Engine(tasks(tmp_path, "abcdef", lambda name: time.sleep(0.02)), tmp_path, log.watch)
    engine.work_on(Threads(engine, 2), REQUEST, 2)
    assert (log.began, log.most) == (list("abcdef"), 2)
    assert log.ended == dict.fromkeys("abcdef", "finished")
    assert engine.failed == {}


@pytest.mark.parametrize("here", [True, False])
def test_a_task_that_fails_stops_no_other_and_is_not_tried_again(tmp_path, here):
    done = []

    def work(name):
        done.append(name)
        return Failure("out of memory") if name == "b" else None

    engine = Engine(tasks(tmp_path, "abc", work), tmp_path, Watch())
    engine.work_here() if here else engine.work_on(Here(engine), REQUEST)
    assert done == list("abc")
    assert engine.failed == failures_in(tmp_path / "cells") == {"b": Failure("out of memory")}


def test_errors_of_the_executor_are_failures(tmp_path):
    log = Log()
    engine = Engine(tasks(tmp_path, "ab"), tmp_path, log.watch)
    engine.work_on(Here(engine, lambda name: {"a": 1}[name]), REQUEST)
    assert log.ended == {"a": "finished", "b": "failed: KeyError: 'b'"}
    assert "KeyError" in engine.failed["b"].traceback


def test_what_a_task_needs_is_done_before_or_it_is_left_out(tmp_path):
    def after(**fields):
        return lambda work, state: Task(name=work.args[0], group="cells", title=work.args[0], work=work, state=state, **fields)

    order = []

    def work(name):
        order.append(name)
        return Failure("no") if name == "d" else None

    listed = tasks(tmp_path, "abcde", work, a=after(after=("cells/d",)), b=after(needs=("cells/c",)), e=after(needs=("cells/d",)))
    engine = Engine(listed, tmp_path, Watch())
    engine.work_on(Here(engine), REQUEST)
    assert order == list("cdab")
    assert list(engine.failed) == ["d"]


def test_the_error_of_a_vital_task_ends_the_study(tmp_path):
    def vital(work, state):
        return Task(name="b", group="cells", title="the pool", work=work, state=state, vital=True)

    engine = Engine(tasks(tmp_path, "abc", lambda name: Failure("no") if name == "b" else None, b=vital), tmp_path, Watch())
    with pytest.raises(CondensationError) as error:
        engine.work_on(Here(engine), REQUEST, 1)
    assert error.value.message == "the pool: no"


def test_tasks_lost_with_a_dead_process_are_done_again_alone(tmp_path):
    """All that runs in a pool is lost with one process of it."""
    log, lost = Log(), []

    def die(name):
        if name == "b" or (name in "ac" and name not in lost):
            lost.append(name)
            raise BrokenExecutor

    engine = Engine(tasks(tmp_path, "abcde"), tmp_path, log.watch)
    engine.work_on(Here(engine, die), REQUEST, 3)
    assert lost.count("b") == 1 + RETRIES
    assert log.began == list("abcabcbde")
    assert {name for name, result in log.ended.items() if result == "finished"} == set("acde")
    assert list(failures_in(tmp_path / "cells")) == ["b"]


def test_a_task_of_a_lost_worker_of_a_cluster_is_done_again_beside_others(tmp_path):
    log, lost = Log(), []

    def die(name):
        if name == "a" and len(lost) < RETRIES:
            lost.append(name)
            raise BrokenExecutor

    engine = Engine(tasks(tmp_path, "abc"), tmp_path, log.watch)
    executor = Here(engine, die)
    executor.loses_all = False
    engine.work_on(executor, REQUEST)
    assert (log.began, engine.failed) == (list("abcaa"), {})


def test_stop_cancels_tasks_that_have_not_begun(tmp_path):
    futures = []

    class Never:
        def submit(self, *_):
            futures.append(Future())
            return futures[-1]

    def stop(done, total):
        raise Stopped("enough")

    with pytest.raises(Stopped):
        Engine(tasks(tmp_path, "abc"), tmp_path, Watch(on_tasks=stop)).work_on(Never(), REQUEST, 2)
    assert [future.cancelled() for future in futures] == [True, True]


@pytest.mark.parametrize("here", [True, False])
def test_a_task_that_another_process_does_is_waited_for_and_not_done_twice(tmp_path, monkeypatch, here):
    monkeypatch.setattr(engines, "LOOK", 0.01)
    done, seen = [], []

    def end_of_the_other(ended, count):
        if ended == 2:
            (tmp_path / "cells" / "a").touch()
            other.close()

    watch = Watch(on_job=lambda number, count, title, state: seen.append((title, state)), on_tasks=end_of_the_other)
    engine = Engine(tasks(tmp_path, "abc", done.append), tmp_path, watch)
    with ExitStack() as other:
        assert other.enter_context(leased(lease_of(engine.tasks["cells/a"], tmp_path))) is None
        engine.work_here() if here else engine.work_on(Here(engine), REQUEST)
    assert done == list("bc")
    assert seen[0][1].startswith(f"done by process {os.getpid()} on ")
    assert seen[-1] == ("a", FINISHED)


def test_a_task_that_others_finish_meanwhile_is_not_done_again(tmp_path):
    done = []
    (task,) = tasks(tmp_path, "a", done.append).tasks
    (tmp_path / "cells").mkdir()
    (tmp_path / "cells" / "a").touch()
    assert do(task, tmp_path, Watch()) == Outcome()
    assert done == []


# -- processes


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
