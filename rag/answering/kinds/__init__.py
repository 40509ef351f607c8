"""What form of answer a question asks for: one fact, a timeline, a summary, the newest state and so on."""
