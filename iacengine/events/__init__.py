"""What happens in a run, told to programs while it happens: as JSON lines in a file, or in a Redis or Kafka stream."""
