"""Synchronous compressed SGD over MPI ranks.

    batch → model.gradient → [error feedback] → codec.encode → Message → collective (MPI) → codec.decode → optimizer.update

Every arrow is timed, every message's bytes are counted, one row per epoch and rank goes to HDF5 (recorder.py). Evaluation and
the sampling of vNMSE happen outside the clock. With run.local_steps = H a rank updates by its own gradients, and every H-th step
what these changed goes through the rest of the picture in the gradient's place (local_sgd.py): to note what a step may change and to take
the difference counts as encode, both updates as update. A run that is asked to stop (interruption.py) does so after a step, and can go on
from there as if nothing had happened (checkpoint.py).
"""

import hashlib
import math

import numpy as np

from . import data, environment
from ._ext import rows as _rows
from .cautions import cautions
from .checkpoint import Checkpoint, Place
from .codecs.feedback import ErrorFeedback, regrouped
from .collectives.exchange import Exchange
from .errors import DataError, Diverged, GradwireError, IncompatibleError, Stopped
from .gradient import Gradient
from .gradients import GradientLog, Recorded, gradients_path
from .local_sgd import LocalSteps
from .recorder import Recorder, run_path
from .step import Step
from .stopwatch import Stopwatch
from .tally import Tally

GO_ON = "all that it needs to go on is kept: add --resume"


class Training:
    """One run on one rank: what its steps need."""

    def __init__(self, config, comm, watch=None):
        self.config, self.comm, self.watch = config, comm, watch or Stopwatch()
        dataset, self.model, self.optimizer = config.dataset(), config.build_model(), config.build_optimizer()
        if not self.model.takes(dataset.task):  # before anything is fetched
            raise IncompatibleError(f"model {self.model.name} is for {self.model.task}, data {dataset.name} is for {dataset.task}")
        prepared = data.load(dataset, rank=comm.rank, size=comm.size, barrier=comm.Barrier)
        self.train, self.test, self.guard = prepared.train, prepared.test, prepared.guard
        self.blocks = self.model.blocks(prepared.n_features)
        for split in (self.train, self.test):
            self.model.check(split)
        self.dim = self.blocks[-1].stop
        if config.granularity != "flat" and len(self.blocks) == 1:
            raise IncompatibleError(f'codec.granularity = "{config.granularity}": model {self.model.name} has one tensor; expected "flat"')
        self.collective = config.build_collective()
        self.memory = self.collective.memory(self.dim, self.blocks)
        self.feedback = (
            ErrorFeedback(self.dim, config.momentum, config.momentum_masking, config.clip_norm) if config.error_feedback else None
        )
        self.exchange = self._exchange(0)
        self.params = self.model.init(self.dim, config.seed)
        self.state = self.optimizer.init(self.dim)
        self.local = LocalSteps(self.params) if config.local_steps > 1 else None
        self.shard = np.arange(comm.rank, self.train.n_rows, comm.size)
        self.batch_size = config.rows_per_step(self.train.n_rows, comm.size)
        self.steps_per_epoch = config.steps_per_epoch(self.train.n_rows, comm.size)
        self.begun = self.tally = self.lr = self.diverged = None
        """Of an epoch that was stopped: what its tally had. Of the epoch that runs: its tally and learning rate, and how it diverged."""
        self.done = 0
        """Steps of the epoch that runs."""

    def _exchange(self, epoch):
        """The epoch's Exchange: a codec that warms up is another one in each epoch, and so is a downlink that is the same."""
        codec, downlink = self.config.codecs_at(epoch, self.blocks)
        self.watch.reset()
        return Exchange(self.comm, codec, self.collective, downlink=downlink, feedback=self.feedback, memory=self.memory, watch=self.watch)

    def epoch(self, epoch, progress, record=0, *, first=0, interruption=None):
        """The steps of one epoch from `first` on, until a signal; `done` says how many are done then. Returns of the gradients that this
        rank exchanged those of `record` steps, evenly spaced."""
        self.exchange = self._exchange(epoch)
        self.tally, self.lr, self.done, recorded = Tally(self.exchange, self.dim), self.optimizer.lr_at(epoch), first, []
        if first:
            self.tally.restore(self.begun)
        kept = self._spread(record)
        self.comm.Barrier()
        try:
            for i, gradient in self._steps(epoch, first):
                self.done = i + 1
                if i in kept:
                    recorded.append(Recorded(gradient, self.comm.rank, epoch, i))
                progress.step(epoch, i)
                if interruption and gradient is not None and interruption.after_step():
                    break
        except Diverged as error:  # of all ranks
            if self.config.divergence == "error":
                raise
            self.diverged = str(error)
        return recorded

    def _steps(self, epoch, first):
        """Take the epoch's steps and yield (number, the gradient that this rank put into the exchange, or None) after each."""
        config, comm, size = self.config, self.comm, self.batch_size
        every, last = config.local_steps, self.steps_per_epoch - 1
        order, samples = self._rows_of(epoch), self._spread(config.vnmse_samples)
        for i in range(first, self.steps_per_epoch):
            step = Step(epoch * self.steps_per_epoch + i, config.seed, comm.rank)
            with self.watch.step(epoch, i):
                gradient = self.step(order[i * size : (i + 1) * size], step, self.lr, (i + 1) % every == 0 or i == last)
            if gradient is not None:
                self.tally.add(gradient)
            if i in samples:
                self.tally.sample()
                comm.Barrier()  # all ranks start the next step together
            yield i, gradient

    def columns(self):
        """This rank's columns of the epoch that was trained last."""
        seen = min(len(self.shard), self.done * self.batch_size)
        columns = self.tally.columns() | {"rows": seen, "steps": self.done}
        return columns if self.config.vnmse_samples else columns | {"vnmse": math.nan}

    def omegas(self):
        """(uplink, downlink): ω of the run's codecs; NaN where they claim none, or where not a message of each rank is averaged."""
        uplink, downlink = self.config.codecs_at(self.config.epochs, self.blocks)
        back = (downlink or uplink) if self.collective.has_downlink else None
        if not self.collective.is_plain:
            return math.nan, math.nan
        return _omega(uplink, self.dim), 0.0 if back is None else _omega(back, self.dim)

    def row(self):
        """The recorder's row of the epoch that was trained last, but for its warm-up; on ranks other than 0 without columns of ranks."""
        ranks = self.comm.gather(self.columns()) or [{}]
        columns = {name: [of_rank[name] for of_rank in ranks] for name in ranks[0]}
        evaluated = dict.fromkeys(("train_loss", "test_loss", "test_metric"), math.nan) if self.diverged else self.evaluate()
        return columns | evaluated | {"learning_rate": self.lr, "ranks": self.comm.size}

    def _rows_of(self, epoch):
        """This rank's rows, in the order of the epoch."""
        order = np.arange(len(self.shard), dtype=np.uint32)
        _rows.permute(order, len(order), Step(epoch, self.config.seed, self.comm.rank).private("rows"))
        return self.shard[order]

    def _spread(self, count):
        """`count` of the steps that exchange, from the first to the last of an epoch."""
        every, steps = self.config.local_steps, self.steps_per_epoch
        numbers = np.linspace(1, -(-steps // every), count, dtype=int)
        return set((np.minimum(numbers * every, steps) - 1).tolist())

    def step(self, rows, step, lr, exchanges=True):
        """One step: the picture above. Returns the gradient that this rank put into the exchange; None if it `exchanges` nothing."""
        watch = self.exchange.watch
        with watch("compute"):
            gradient, _ = self.model.gradient(self.params, self.train, rows)
            gradient = gradient.without_zeros() if self.model.sparse_gradients else gradient
        if self.local:
            gradient = self._step_alone(gradient, lr, exchanges)
            if gradient is None:
                return None
        mean = self.exchange.average(gradient, step)  # [error feedback] → encode → Message → MPI → decode, each of them timed there
        with watch("update"):
            # An optimizer is lazy: it moves the keys that it is given and no others. These must be the model's, and not what a codec sends:
            # where gradients are sparse no entry is no update, and where they are dense an entry that was not sent is a zero.
            mean = mean.without_zeros() if self.model.sparse_gradients else Gradient.trusted(mean.to_dense(), mean.dim)
            if self.local:
                self.local.move(mean)
            else:
                self.optimizer.update(self.params, self.state, mean, lr)
        return gradient

    def _step_alone(self, gradient, lr, exchanges):
        """Update by this rank's gradient alone; then, if it `exchanges`, what such steps have changed since the last time."""
        watch = self.exchange.watch
        with watch("encode"):
            self.local.keep(gradient.keys)
        with watch("update"):
            self.optimizer.update(self.params, self.state, gradient, lr)
        if not exchanges:
            return None
        with watch("encode"):
            return self.local.difference()

    def checkpointed(self, within=False):
        """(shared, private): what a checkpoint keeps of all ranks, and of this one (checkpoint.py). within: of an unfinished epoch."""
        optimizer = {f"optimizer/{name}": value for name, value in self.state.items()}
        shared, private = {"params": self.params}, {} if self.feedback is None else self.feedback.state()
        (private if self.local else shared).update(optimizer)
        shared |= self._remembered()
        return shared, private | ({f"tally/{name}": value for name, value in self.tally.state().items()} if within else {})

    def restore(self, shared, private, others=()):
        """Go on from what `checkpointed` gave: `private` on this rank; or between epochs `others` on all ranks, if not as many as now.

        DataError if it is of another run; IncompatibleError if what ranks had of their own means nothing to another number of them.
        """
        wanted = {"params", *(f"optimizer/{name}" for name in self.state), *self._remembered()} | self._owed()
        for kept in others or [private]:
            if missing := wanted - shared.keys() - kept.keys():
                raise DataError(f"expected a checkpoint with {', '.join(sorted(missing))}, got one without")
        if shared["params"].shape != self.params.shape:
            raise DataError(f"expected a checkpoint of {len(self.params)} parameters, got {shared['params'].shape}")
        if others:
            self.config.check_other_ranks()
            private = regrouped(others, self.dim, self.comm.rank, self.comm.size)
        stored = shared | private
        self.params[:] = stored["params"]
        for name, value in self.state.items():
            kept = stored[f"optimizer/{name}"]
            if isinstance(value, np.ndarray):
                value[...] = kept
            else:
                self.state[name] = type(value)(kept)
        if self.feedback is not None:
            self.feedback.restore(stored)
        if self.memory is not None:
            self.memory.restore({name: stored[f"memory/{name}"] for name in self.memory.state()})
        self.begun = {name.removeprefix("tally/"): value for name, value in stored.items() if name.startswith("tally/")}

    def _remembered(self):
        """Name → array of what the collective hands on from step to step."""
        return {} if self.memory is None else {f"memory/{name}": array for name, array in self.memory.state().items()}

    def _owed(self):
        """Names without which a checkpoint has nothing of this run's error feedback."""
        return set() if self.feedback is None else {name for name in self.feedback.state() if name.endswith("values")}

    def evaluate(self):
        """train_loss, of run.train_loss_rows rows, test_loss and test_metric; the ranks share the work. Not timed."""
        losses, scores = [], None
        known = self.config.train_loss_rows or self.train.n_rows
        for split, rows in ((self.train, min(known, self.train.n_rows)), (self.test, self.test.n_rows)):
            start, stop = (rows * (self.comm.rank + i) // self.comm.size for i in (0, 1))
            loss, scores = self.model.evaluate(self.params, split, start, stop)
            losses.append(self.comm.allreduce(loss) / max(rows, 1))
        self.guard.check()  # before the last meeting, so that no row is recorded of data that have changed
        gathered = self.comm.gather(scores)
        metric = self.model.metric(np.concatenate(gathered), self.test.labels) if self.comm.rank == 0 else math.nan
        return {
            "train_loss": losses[0] + self.model.penalty(self.params),
            "test_loss": losses[1],
            "test_metric": self.comm.bcast(metric),
        }

    def params_sha256(self):
        """Digest of the parameters; GradwireError if the ranks disagree."""
        digests = self.comm.allgather(hashlib.sha256(self.params).hexdigest())
        if len(set(digests)) > 1:
            raise GradwireError(f"ranks ended with different parameters: {digests}")
        return digests[0]


def _omega(codec, dim):
    omega = codec.omega(dim) if codec.unbiased else None
    return math.nan if omega is None else float(omega)


def train(config, comm, results, *, resume=False, progress, record_gradients=0, watch=None, interruption=None):
    """Run `config` on all ranks of `comm` and record it; returns the run file's path. A collective call.

    record_gradients: fresh gradients of each rank to keep per epoch (gradients.py). watch: a Stopwatch that says where this rank is.
    Raises Stopped on all ranks if the `interruption` says so before the last epoch is done: then resume=True goes on.
    """
    path = run_path(results, config)
    training = Training(config, comm, watch)
    checkpoint = Checkpoint(results, config, comm.rank, comm.size)
    recorder = Recorder(path) if comm.rank == 0 else None
    at = _begin(training, checkpoint, recorder, results, resume, progress)
    log = (
        GradientLog(gradients_path(results, config), config, training.dim, at[:2], training.blocks)
        if recorder and record_gradients
        else None
    )
    progress.start_run(config, at.epochs, training.steps_per_epoch)
    for caution in cautions(config, training.dim, training.steps_per_epoch):
        progress.note(f"{config.run_id}: {caution}")
    for epoch in range(at.epochs, config.epochs):
        first = at.steps if epoch == at.epochs else 0
        recorded = training.epoch(epoch, progress, record_gradients, first=first, interruption=interruption)
        _collect(comm, log, recorded)
        if training.done < training.steps_per_epoch and not training.diverged:
            checkpoint.save((epoch, training.done), *training.checkpointed(within=True), comm.Barrier)
            checkpoint.prune((epoch, training.done))
            raise Stopped(
                f"{config.run_id}: stopped in epoch {epoch + 1} after step {training.done} of {training.steps_per_epoch}; {GO_ON}"
            )
        row = training.row() | {"warmup": epoch == at.epochs}
        stop = interruption and interruption.agreed()
        due = not training.diverged and (stop or (config.checkpoint_every and (epoch + 1) % config.checkpoint_every == 0))
        if due:  # before its row is there: a recorded epoch is never trained again
            checkpoint.save((epoch + 1, 0), *training.checkpointed(), comm.Barrier)
        if recorder:
            recorder.append(epoch, row)
            progress.epoch(epoch, row)
        if training.diverged:
            progress.note(f"{config.run_id}: diverged in epoch {epoch + 1}: {training.diverged}")
            break
        if due:
            checkpoint.prune((epoch + 1, 0))
        if stop and epoch + 1 < config.epochs:
            raise Stopped(f"{config.run_id}: stopped after epoch {epoch + 1} of {config.epochs}; {GO_ON}")
    digest = training.params_sha256()
    if recorder:
        recorder.finish(digest, training.diverged)
    checkpoint.clear()
    progress.end_run(path)
    return path


def _begin(training, checkpoint, recorder, results, resume, progress):
    """Make the run file, or go on with the one that is there; returns the Place to go on from."""
    from mpi4py import MPI

    config, comm = training.config, training.comm
    described = environment.describe(comm, MPI.Get_library_version(), MPI.Get_version())
    if not resume:
        checkpoint.clear()
        if recorder:
            gradients_path(results, config).unlink(missing_ok=True)  # of an earlier run of this name
            recorder.create(config, described, training.dim, comm.size, training.omegas())
        return Place(0)
    private = bool(training.checkpointed()[1])
    at = comm.bcast(checkpoint.latest(private, recorder.rows()) if recorder else None) or Place(0)
    if at != Place(0):
        try:
            training.restore(*checkpoint.load(at))
        except DataError as error:
            files = checkpoint.folder / f"at-{at.epochs}-{at.steps}.*"
            raise DataError(f"{error}; remove {files} to go on from what was kept before, or else from the start") from error
    if at.ranks not in (None, comm.size):
        progress.note(f"{config.run_id}: {comm.size} ranks go on after epoch {at.epochs} of {at.ranks} ranks")
    if recorder:
        recorder.resume(at.epochs, described | {"step": at.steps})
    return at


def _collect(comm, log, recorded):
    """Bring the recorded gradients of all ranks to rank 0's log, one of each rank at a time."""
    for item in recorded:
        gathered = comm.gather(item)
        if log:
            log.append(gathered)
