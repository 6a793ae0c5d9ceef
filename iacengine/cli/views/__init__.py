"""What a user and a tool see: text, live progress, and the JSON of Terraform's formats."""
