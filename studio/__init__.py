"""Hommage's window and command line. Only this package knows Qt."""
