"""What comes in: read strictly, screened for what nobody may send, brought into one form."""
