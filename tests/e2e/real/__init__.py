"""The cases of real_programs.py: each function case_NAME(c) of these modules is one, and each stressor of stress-ng."""

from . import computing, languages, refusals, samples, servers, shells, signal_order, stressors, terminals, tools

MODULES = (shells, languages, servers, computing, terminals, signal_order, samples, refusals, tools)


def all_cases():
    cases = {name[5:]: f for module in MODULES for name, f in vars(module).items() if name.startswith("case_")}
    return {**cases, **stressors.stressor_cases()}
