"""Runners: who runs the units of a job."""
