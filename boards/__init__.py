"""Boards: tops, links and flows."""
