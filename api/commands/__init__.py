"""One module a command: ``configure(parser)`` adds its arguments, ``run(args)`` does it.

``run`` returns the exit status; None is 0.
"""
