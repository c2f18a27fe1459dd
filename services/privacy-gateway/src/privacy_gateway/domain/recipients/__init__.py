"""Third parties that data may be disclosed to: who they are and what they have signed."""
