"""`proctor schedules`: runs that start by the clock."""
