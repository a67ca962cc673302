"""The whole of Proctor on one machine: what runs, where its state lies, and who keeps it running.

Everything of one stack lies in its state folder, `.proctor` in the current folder unless another
is named: Postgres' data, NATS' streams, blobs, logs, generated secrets (readable by their owner
only), the ports that were picked, and the key that was made. Two folders are two stacks; deleting
the folder of a stack that does not run deletes everything it knew. It is not under ~/.local/share:
a stack belongs to the work it was started for, and people should see where their data is.
"""
