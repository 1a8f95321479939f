"""From uplift to a decision: who gets which offer, and the policy file that says so. Owns no estimate."""

from workbench.policy.allocation import Allocation, allocate, allocation_by_budget
from workbench.policy.held_out import HeldOutProfit, profit_on_held_out
from workbench.policy.policy_file import (
    describe_policy,
    policy_of,
    policy_table,
    read_policy,
    write_policy,
)
from workbench.policy.resources import Budget, ContactLimit
from workbench.policy.triggers import TriggerPlan, plan_over_triggers, triggers_of
from workbench.policy.views import ResponseClasses, response_classes

__all__ = [
    "Allocation",
    "Budget",
    "ContactLimit",
    "HeldOutProfit",
    "ResponseClasses",
    "TriggerPlan",
    "allocate",
    "allocation_by_budget",
    "describe_policy",
    "plan_over_triggers",
    "policy_of",
    "policy_table",
    "profit_on_held_out",
    "read_policy",
    "response_classes",
    "triggers_of",
    "write_policy",
]
