"""What every service needs and none owns: errors, callers, gRPC server and client, lifecycle, logs.

Knows no word of the evaluation domain. Import from the module that owns a name.
"""
