"""Products, schedules, and the life cycles of application, line and loan."""
