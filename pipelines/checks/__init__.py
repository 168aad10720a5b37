"""The asset checks, by domain: what is looked at on which asset; the logic is the library's."""
