"""Many clients at everything that the service offers, for an hour, with faults; and whether it is as well afterwards as
before. `run` is the command.

  record      what was asked, answered, sent and received, and what was noticed
  judge       what is wrong with a record
  figures     what `/metrics` says
  ground      the server, its users, and the source of its imports
  client      one client: asks, and knows what must be so of its images
  operations  what clients do: a table of everything
  crowd       clients at a steady pace, and what they find at the end
  trouble     faults, one after another
  watch       memory, descriptors and threads of the server
  course      one run from its beginning to its end
  table       what a run came to, to be read
"""
