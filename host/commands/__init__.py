"""The commands of the `lutra` program, one file each."""
