"""What can be refused about plans."""

from services.kit.problems import Problem


class UnknownPlan(Problem):
    """There is no plan of this name."""

    status = 422
    title = "There is no such plan"

    def __init__(self, plan: str, *, plans: list[str]) -> None:
        super().__init__(f"There is no plan “{plan}”; there are {', '.join(plans)}.", plans=plans)
