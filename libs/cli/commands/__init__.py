"""One module a group of commands: options in, a sentence, a table or JSON out."""
