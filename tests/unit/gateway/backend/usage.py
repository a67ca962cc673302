from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from gateway.domain.usage import ModelUsage, UsageSum


@dataclass
class MemoryUsage:
    """Sums by id, as the table keeps them."""

    sums: dict[str, UsageSum] = field(default_factory=dict)
    failing: list[Exception] = field(default_factory=list)

    async def write(self, sums: Sequence[UsageSum]) -> None:
        if self.failing:
            raise self.failing.pop(0)
        self.sums |= {entry.id: entry for entry in sums}

    async def of_runs(self, run_ids: Sequence[str]) -> Mapping[str, Mapping[str, ModelUsage]]:
        found: dict[str, dict[str, ModelUsage]] = {}
        for entry in self.sums.values():
            if entry.run_id in run_ids:
                models = found.setdefault(entry.run_id, {})
                models[entry.model] = models.get(entry.model, ModelUsage()).plus(entry.usage)
        return found
