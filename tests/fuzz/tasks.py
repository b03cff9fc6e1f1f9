"""What the fuzzer asks of the real sandbox: the service's own tasks, and many files in one go."""

import resource
from dataclasses import dataclass
from pathlib import Path

from services.processing import tasks
from services.processing.decoding import Unusable, decode
from services.processing.imaging import MASTER_SIDE_MAX


@dataclass(frozen=True, slots=True)
class Decoded:
    """For each file what became of it, and the CPU time it took."""

    outcomes: list[tuple[str, float]]


def decode_all(sources: list[str]) -> Decoded:
    """Decode file after file in one process: what one leaves behind, the next one meets."""
    return Decoded([_decode(Path(source)) for source in sources])


def _decode(source: Path) -> tuple[str, float]:
    before = _cpu_s()
    try:
        decode(source, side_needed=MASTER_SIDE_MAX)
        outcome = "decoded"
    except Unusable as refusal:
        outcome = refusal.code
    except MemoryError:
        outcome = "out of memory"
    except Exception as error:  # noqa: BLE001  # `decode` promises that there is none
        outcome = f"! {type(error).__name__}"
    return outcome, _cpu_s() - before


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


TASKS = tasks.TASKS | {"decode_all": decode_all}
