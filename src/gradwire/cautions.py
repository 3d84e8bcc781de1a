"""Cautions: what is legal, and still likely not what was meant. A run says it once, before its first epoch."""

from . import spec


def cautions(config, dim, steps_per_epoch):
    """Yields sentences about this RunConfig with `dim` parameters and that many steps."""
    codec = spec.codec(config.uplink)
    yield from _about_feedback(codec, config, dim)
    if config.momentum:
        yield from _about_momentum(codec, config)
    if config.warmup_epochs >= config.epochs:
        yield (
            f"{config.uplink} would be reached after {config.warmup_epochs} epochs of warm-up, the run has {config.epochs}; "
            "set codec.warmup_epochs below run.epochs"
        )
    if config.local_steps > max(1, steps_per_epoch):
        yield f"run.local_steps = {config.local_steps}, but an epoch has {steps_per_epoch} steps and ends with an exchange"


def _about_feedback(codec, config, dim):
    """What is wrong with error feedback, or with its absence, around this codec and collective."""
    omega = codec.omega(dim) if codec.unbiased else None
    if codec.needs_feedback and not config.error_feedback:
        yield f"{config.uplink} is meant for error feedback; set codec.error_feedback = true"
    collective = config.build_collective()
    if collective.needs_feedback and not config.error_feedback:
        yield f"{collective.spec} is meant for error feedback; set codec.error_feedback = true"
    if config.error_feedback and omega is not None and omega >= 1:
        yield (
            f"{config.uplink} is unbiased with omega = {omega:.4g}: from 1 on, what error feedback keeps may grow without bound; "
            "set codec.error_feedback = false, or take a variant that only shrinks, such as randomk(scale=none)"
        )


def _about_momentum(codec, config):
    optimizer, parts = config.optimizer["name"], getattr(codec, "composed", codec)
    if optimizer != "sgd" and config.local_steps == 1:
        yield f"codec.momentum is meant for plain SGD (Deep Gradient Compression); {optimizer} will take sums of velocities for gradients"
    if config.momentum_masking and getattr(parts, "sparsifier", None) is None:
        yield (
            f"{config.uplink} has no sparsifier: momentum stops wherever something is sent, so little is left of it; "
            "set codec.momentum_masking = false"
        )
