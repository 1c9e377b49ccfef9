"""The cases of real_programs.py: each function case_NAME(c) of these modules is one, as are the stressors of stress-ng and
Python's test files."""

from . import computing, languages, python_tests, refusals, samples, servers, shells, signal_order, stressors, terminals, tools

MODULES = (shells, languages, servers, computing, terminals, signal_order, samples, refusals, tools)


def all_cases():
    cases = {name[5:]: f for module in MODULES for name, f in vars(module).items() if name.startswith("case_")}
    return {**cases, **stressors.stressor_cases(), **python_tests.python_test_cases()}
