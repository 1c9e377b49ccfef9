"""The cases of real_programs.py: each function case_NAME(c) of these modules is one, as are the stressors of stress-ng,
Python's test files, the packages of Go's standard library and parts of other projects' tests."""

from . import (computing, go_tests, languages, python_tests, refusals, runtimes, samples, servers, shells, signal_order, source_tests,
               stressors, terminals, tools)

MODULES = (shells, languages, runtimes, servers, computing, terminals, signal_order, samples, refusals, tools)


def all_cases():
    cases = {name[5:]: f for module in MODULES for name, f in vars(module).items() if name.startswith("case_")}
    return {**cases, **stressors.stressor_cases(), **python_tests.python_test_cases(), **go_tests.go_test_cases(),
            **source_tests.source_test_cases()}
