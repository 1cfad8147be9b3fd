"""Commands of openstackclient for the extensions of Vitrine, an image service (`/ext/v1`).

  extensions    the calls: where the service is, pages, errors
  base          what commands have in common
  download      files that the service writes
  columns       values that people and programs see differently
  progress      the bar of a job at a terminal

Each of the other files has the commands of one noun.
"""
