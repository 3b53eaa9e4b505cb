"""Which item comes next: criteria, the blueprint that a test must meet, exposure."""
