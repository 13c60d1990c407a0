"""The work of the speech layer, written once and run under each framework: ``python -m benchmarks.speech``.

Nothing is imported here but the standard library and what each framework brings: these programs run in its environment.
"""
