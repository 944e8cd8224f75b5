"""Tests without socket, process or sleep; one folder for each room."""
