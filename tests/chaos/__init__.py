"""What must survive: kills, cut and doubled requests, power loss, full disks, a database that goes away.

The short forms run with all tests; ``make chaos`` runs the long ones. Each promise has a control: a build
that is broken on purpose, which the same test must catch.
"""
