"""Reads the plugin's documents and checks what they print against the programs and classes that they name."""
