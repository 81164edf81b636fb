"""Make calls on the workers of a Dask scheduler, by joblib's seam for such engines.

Whatever happens to the workers, each call has one result, and results come in the order of calls.
joblib's own backend for Dask cannot promise that: it waits for ever when Dask gives a call up, and
takes a cancelled call for one that is done.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
import uuid
import warnings
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import closing, contextmanager, suppress
from itertools import islice
from typing import Any, Final

from digitcli import __version__
from digitcli.errors import DigitcliError

try:
    from distributed import Client, get_worker
    from distributed.scheduler import KilledWorker
    from joblib import Parallel, delayed
    from joblib.parallel import ParallelBackendBase
except ImportError:
    raise DigitcliError(
        "the backend dask is not installed; install it with pip install 'digitcli[dask]'"
    ) from None

CONNECT_SECONDS: Final = 15
"""How long a scheduler and its first worker may take to answer at the start."""

ABSENCE_SECONDS: Final = 60
"""How long there may be no scheduler or no worker at all later, before the cluster is given up."""

CAREFUL: Final = 2
"""Times in a row that everything may be lost before calls are made one at a time."""

ATTEMPTS: Final = 5
"""Times in a row that everything may be lost before the call that was alone is given up."""

_PAUSE: Final = 0.5
"""Seconds until it is tried again to connect."""

_WAVE: Final = 64
"""Calls per thread of the cluster after which its threads are counted again. No more results than
these wait here to be taken."""

Tell = Callable[[Any], None]
"""Sends a message of plain builtins from a worker to whoever made the calls."""


class _ClusterLost(Exception):  # noqa: N818 - no error: it is met by trying again
    """What was running on the cluster is gone."""


@contextmanager
def _loss_is_met() -> Iterator[None]:
    """Turn what the client raises when it is cut off from the cluster into `_ClusterLost`."""
    try:
        yield
    except (CancelledError, OSError, TimeoutError) as error:
        raise _ClusterLost(str(error) or type(error).__name__) from None


class _GivenUp:
    """In place of a result: every worker that had this call died."""


def run_on_cluster(
    scheduler: str,
    function: Callable[..., Any],
    shared: Sequence[Any],
    calls: Iterable[tuple[Any, ...]],
    *,
    given_up: Callable[[tuple[Any, ...]], Any],
    on_message: Callable[[Any], None] | None = None,
) -> Iterator[Any]:
    """Yield ``function(*shared, *call)`` for each of `calls`, in order.

    What a lost worker was at is done again. Calls are taken from their iterable by a thread of its
    own, so that results go out while it waits for more.

    Parameters
    ----------
    scheduler : str
        Such as ``tcp://host:8786``. The same version of digitcli must be installed on its workers.
    function : callable
        Can be imported on a worker. With `on_message` it also takes ``tell``.
    shared : sequence
        First arguments of every call, which are sent to the workers only once.
    calls : iterable of tuple
    given_up : callable
        Gives the result for a call after Dask has lost several workers to it, or raises.
    on_message : callable, optional
        Receives what `function` tells, in a thread of its own.

    Raises
    ------
    DigitcliError
        When the scheduler cannot be reached, has no workers, or none that can run digitcli.
    """
    todo = _Calls(calls)
    failures = 0
    patience = CONNECT_SECONDS
    while todo.wait():
        alone = False
        try:
            with _connected(scheduler, patience, on_message, again=failures > 0) as (client, topic):
                patience = ABSENCE_SECONDS
                with _given_up_without_workers(client):
                    copies = _scatter(client, shared)
                while todo.wait():
                    alone = failures >= CAREFUL
                    with closing(
                        _run_wave(client, function, copies, todo, topic, alone=alone)
                    ) as results:
                        for result, error in results:
                            if error is not None:
                                raise error
                            if result is _GivenUp:
                                result = given_up(todo.waiting[0])
                            todo.waiting.popleft()
                            failures = 0
                            yield result
            return
        except _ClusterLost as lost:
            failures += 1
            if failures < ATTEMPTS:
                continue
            if not alone:
                raise DigitcliError(
                    f"the workers at {scheduler} were lost {failures} times in a row ({lost}); "
                    "see their logs"
                ) from None
        # Few workers may all be gone before Dask has lost enough of them to blame the call.
        result = given_up(todo.waiting[0])
        todo.waiting.popleft()
        failures = CAREFUL
        yield result


class _Calls:
    """Calls that a thread takes from their iterable as they come.

    Attributes
    ----------
    waiting : deque
        The calls that were handed out and whose results are still to come.
    """

    def __init__(self, calls: Iterable[tuple[Any, ...]]) -> None:
        self.waiting: deque[tuple[Any, ...]] = deque()
        self._queue: queue.Queue[tuple[Any, ...] | Exception | None] = queue.Queue(maxsize=256)
        self._next: tuple[Any, ...] | Exception | None = None
        self._ended = False
        self._lock = threading.Lock()
        self._wave = 0
        threading.Thread(target=self._read, args=(calls,), daemon=True).start()

    def _read(self, calls: Iterable[tuple[Any, ...]]) -> None:
        try:
            for call in calls:
                self._queue.put(call)
            self._queue.put(None)
        except Exception as error:
            self._queue.put(error)

    def wait(self) -> bool:
        """Wait for work; False when there will be none, and raise what the iterable raised."""
        if self.waiting:
            return True
        with self._lock:
            if self._next is None and not self._ended:
                self._next = self._queue.get()
                self._ended = self._next is None
            if isinstance(self._next, Exception):
                raise self._next
            return self._next is not None

    def wave(self) -> Iterator[tuple[Any, ...]]:
        """Yield the calls that wait, and those that are there now: a new one is never waited for.

        joblib takes them in the thread in which results arrive, perhaps still when a new wave has
        begun; then there are none.
        """
        with self._lock:
            self._wave += 1
            wave, again = self._wave, tuple(self.waiting)
        yield from again
        while True:
            with self._lock:
                call = self._take() if wave == self._wave else None
                if call is None:
                    return
                self.waiting.append(call)
            yield call

    def _take(self) -> tuple[Any, ...] | None:
        if self._next is None and not self._ended:
            try:
                self._next = self._queue.get_nowait()
            except queue.Empty:
                return None
            self._ended = self._next is None
        if isinstance(self._next, Exception):
            return None
        call, self._next = self._next, None
        return call


class _Backend(ParallelBackendBase):  # type: ignore[misc]
    """Hands joblib's calls to Dask one by one."""

    supports_retrieve_callback = True

    def __init__(self, client: Client) -> None:
        super().__init__(nesting_level=0)
        self._client = client
        self._futures: set[Any] = set()

    def effective_n_jobs(self, n_jobs: int) -> int:
        # joblib would do the work of one job itself; and more workers may be about to join
        with _loss_is_met():
            threads = sum(_threads(self._client, ABSENCE_SECONDS).values())
        return max(8, threads)

    def submit(self, func: Any, callback: Callable[[Any], None]) -> Any:
        ((function, arguments, _),) = func.items
        try:
            future = self._client.submit(function, *arguments, pure=False)
        except Exception as error:  # the client is closed; joblib would not expect that here
            callback(error)
            return None
        self._futures.add(future)
        future.add_done_callback(callback)
        return future

    def retrieve_result_callback(self, future: Any) -> list[Any]:
        if isinstance(future, Exception):
            raise _ClusterLost(str(future))
        self._futures.discard(future)
        try:
            with _loss_is_met():
                return [future.result()]
        except KilledWorker:
            return [(_GivenUp, None)]
        except _ClusterLost:
            raise
        except Exception as error:
            raise _cannot_run(f"{type(error).__name__}: {error}") from None

    def abort_everything(self, ensure_ready: bool = True) -> None:
        with suppress(Exception):  # cut off from the cluster: it drops what no client wants
            self._client.cancel(list(self._futures))


def _run_wave(
    client: Client,
    function: Callable[..., Any],
    copies: list[Any],
    todo: _Calls,
    topic: str | None,
    *,
    alone: bool,
) -> Generator[tuple[Any, Exception | None], None, None]:
    backend = _Backend(client)
    parallel = Parallel(n_jobs=-1, backend=backend, return_as="generator", batch_size=1)
    size = 1 if alone else _WAVE * backend.effective_n_jobs(-1)
    wave = islice(todo.wave(), size)
    call_one = delayed(_call)
    with _given_up_without_workers(client, backend.abort_everything):
        results = parallel(call_one(__version__, function, copies, call, topic) for call in wave)
        try:
            for result in results:  # noqa: UP028 - it would close them without what follows
                yield result
        finally:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # that work in progress is dropped
                results.close()


@contextmanager
def _connected(
    scheduler: str, patience: float, on_message: Callable[[Any], None] | None, *, again: bool
) -> Iterator[tuple[Client, str | None]]:
    """Connect to a scheduler; give the client and the topic of the workers' messages."""
    _silence_logs()
    topic = None if on_message is None else f"digitcli-{uuid.uuid4().hex}"
    with _connect_to_workers(scheduler, patience, heard=again) as client:
        if on_message is not None:
            with _loss_is_met():
                client.subscribe_topic(topic, lambda event: on_message(event[1]))
        yield client, topic


def _connect_to_workers(scheduler: str, patience: float, *, heard: bool) -> Client:
    """Connect to a scheduler that has a worker, again if it goes away meanwhile.

    With `heard`, that worker has to be heard of, which takes a moment.
    """
    end = time.monotonic() + patience
    while True:
        client = None
        try:
            client = _connect(scheduler, max(end - time.monotonic(), _PAUSE))
            client.wait_for_workers(1, timeout=max(end - time.monotonic(), _PAUSE))
            if heard:
                _wait_to_hear(client, end)
        except OSError as error:  # TimeoutError is one
            if client is not None:
                client.close(timeout=_PAUSE)
            if time.monotonic() + _PAUSE > end:
                raise _absent(scheduler, error) from None
            time.sleep(_PAUSE)
        except Exception as error:  # of whatever transport the address names
            raise _absent(scheduler, error) from None
        else:
            return client


def _connect(scheduler: str, patience: float) -> Client:
    """Connect in a thread: Dask waits for ever where something else than a scheduler listens.

    Raises
    ------
    Exception
        Whatever keeps it from connecting.
    """
    client = Client.__new__(Client)
    outcome: queue.Queue[Exception | None] = queue.Queue()

    def connect() -> None:
        try:
            client.__init__(scheduler, timeout=patience, set_as_default=False)
            outcome.put(None)
        except Exception as error:
            outcome.put(error)

    threading.Thread(target=connect, daemon=True).start()
    try:
        error = outcome.get(timeout=1.5 * patience)  # Dask's own message tells more
    except queue.Empty:
        error = TimeoutError(f"what is there does not answer as a scheduler for {patience:g} s")
    if error is not None:
        client.status = "closed"  # or its __del__ waits for a scheduler that never was
        raise error
    return client


def _threads(client: Client, patience: float) -> dict[str, int]:
    """Return the number of threads of each worker; `Client.nthreads` might wait for ever.

    Raises
    ------
    TimeoutError
        When the scheduler does not answer in time.
    """
    threads: dict[str, int] = client.sync(client.scheduler.ncores, callback_timeout=patience)
    return threads


def _wait_to_hear(client: Client, end: float) -> None:
    """Wait until a worker is heard of.

    Raises
    ------
    TimeoutError
        When none is until `end`, in the seconds of `time.monotonic`.
    """
    before = _last_heard(client, ABSENCE_SECONDS)
    while not _anybody_heard(before, _last_heard(client, ABSENCE_SECONDS)):
        if time.monotonic() > end:
            raise TimeoutError("its workers are silent")
        time.sleep(_PAUSE)


def _last_heard(client: Client, patience: float) -> dict[str, float]:
    """Return when the scheduler last heard of each worker, by its own clock.

    Raises
    ------
    TimeoutError
        When the scheduler does not answer in time.
    """
    told = client.sync(client.scheduler.identity, callback_timeout=patience)
    return {address: worker["last_seen"] for address, worker in told["workers"].items()}


def _anybody_heard(before: dict[str, float], now: dict[str, float]) -> bool:
    """Whether any worker was heard of since then."""
    return any(before.get(address) != seen for address, seen in now.items())


def _silence_logs() -> None:
    """Keep Dask from telling, with tracebacks, what is said once in a line."""
    for name in list(logging.root.manager.loggerDict):
        if name.partition(".")[0] == "distributed":
            logging.getLogger(name).setLevel(logging.CRITICAL + 1)


def _absent(scheduler: str, error: Exception) -> DigitcliError:
    return DigitcliError(
        f"no Dask workers at {scheduler} ({str(error) or type(error).__name__}); "
        "check the address, the scheduler, its workers and their versions of Dask"
    )


def _cannot_run(reason: str) -> DigitcliError:
    return DigitcliError(
        f"a worker cannot run digitcli ({reason}); install digitcli {__version__} there"
    )


def _scatter(client: Client, shared: Sequence[Any]) -> list[Any]:
    """Send objects to all workers; those that join later fetch them from these."""
    try:
        with _loss_is_met():
            copies: list[Any] = client.scatter(list(shared), broadcast=True, hash=False)
    except _ClusterLost:
        raise
    except Exception as error:  # Dask wraps what a worker raises as it unpacks them
        raise _cannot_run(str(error)) from None
    return copies


@contextmanager
def _given_up_without_workers(
    client: Client, abort: Callable[[], None] = lambda: None
) -> Iterator[None]:
    """Cancel everything when no worker was heard of for too long: Dask would wait for ever.

    A worker that is frozen is silent, and so are all when the scheduler is.
    """
    ended = threading.Event()

    def watch() -> None:
        absent = 0.0
        step = ABSENCE_SECONDS / 12
        before: dict[str, float] = {}
        while not ended.wait(step) and absent < ABSENCE_SECONDS:
            try:
                now = _last_heard(client, step)
                absent = 0.0 if _anybody_heard(before, now) else absent + step
                before = now
            except TimeoutError:
                absent += 2 * step
            except Exception:  # the client is closed, or finds out itself that it is cut off
                return
        if absent >= ABSENCE_SECONDS:
            threading.Thread(target=abort, daemon=True).start()
            if not ended.wait(step):  # a frozen scheduler hears nothing of it
                with suppress(Exception):
                    client.close(timeout=_PAUSE)

    threading.Thread(target=watch, daemon=True).start()
    try:
        yield
    finally:
        ended.set()


# On a worker -------------------------------------------------------------------------------------


def _call(
    version: str,
    function: Callable[..., Any],
    shared: Sequence[Any],
    call: tuple[Any, ...],
    topic: str | None,
) -> tuple[Any, Exception | None]:
    """Return what a call returns or raises: what else goes wrong is then the cluster's doing."""
    if version != __version__:
        return None, DigitcliError(
            f"a worker has digitcli {__version__}, not {version}; install the same on all"
        )
    options = {} if topic is None else {"tell": _teller(topic)}
    try:
        return function(*shared, *call, **options), None
    except Exception as error:
        return None, error


def _teller(topic: str) -> Tell:
    worker = get_worker()
    key = worker.get_current_task()

    def tell(message: Any) -> None:
        worker.log_event(topic, message)
        task = worker.state.tasks.get(key)
        if task is None or task.state == "cancelled":
            raise _ClusterLost("nobody waits for the result any more")

    return tell
