"""The subcommands of ``dance``, one file each."""
