"""Tests that every implementation of an interface must pass, as pytest classes to derive from.

A subclass names what is to be tested, and pytest finds the inherited tests::

    from lk_agents.testing.conformance.executor import ExecutorConformance


    class TestMyExecutors(ExecutorConformance):
        def launcher(self, program):
            return MyLauncher(program)
"""
