"""Memories of a board that core and host share, behind one AXI4 port."""
