"""What a suite asks for: the manifest and the generation settings, checked without any file.

Every rule that needs file contents, the network or a tenant's program lives elsewhere: templates,
patterns and Python are compiled in a jail, datasets are read by the importer.
"""
